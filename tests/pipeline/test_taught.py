"""The taught leg: what it looks at, that it is stored and read alike, and who it was not taught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jingxiaowei.content.syllables import number, sounds
from jingxiaowei.content.taught import read_taught, untaught
from jingxiaowei.errors import ContentError
from jingxiaowei.pipeline.answer.belief import Believer, weighed_features
from jingxiaowei.pipeline.answer.features import CONCEPT, SOUND, Keys, features, letters, mark
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import Judge
from jingxiaowei.pipeline.answer.query import Query
from jingxiaowei.pipeline.answer.why import weigh_words
from jingxiaowei.pipeline.decide import Mind


def look(mind: Mind, text: str) -> Keys:
    return features(mind.index.tokenizer.clauses(text))


def heard(text: str) -> list[int]:
    return sounds(text).tolist()


def test_sounds_and_typed_pinyin_are_alike() -> None:
    assert heard("牵户口") == heard("迁户口") == heard("qianhukou")
    assert heard("驾使证") == heard("驾驶证")
    assert heard("qian户口怎么ban") == heard("迁户口怎么办")
    assert heard("sfz") == [number("sfz")]
    assert heard("12123") == [ord(digit) for digit in "12123"]
    assert heard("\U0001f600x") == [0x1F600, ord("x")]


def test_traditional_characters_are_the_simplified(mind: Mind) -> None:
    assert look(mind, "駕駛證遺失補領").tolist() == look(mind, "驾驶证遗失补领").tolist()


def test_which_town_does_not_matter(mind: Mind) -> None:
    one, other = look(mind, "洛阳身份证丢了怎么补"), look(mind, "泉州身份证丢了怎么补")
    assert one.tolist() == other.tolist()


def test_features_are_characters_sounds_and_concepts(mind: Mind) -> None:
    found = look(mind, "身份证丢了")
    assert found.tolist() == sorted(set(found.tolist()))
    sen, fen = heard("身份")
    lost, card = sorted((number("lose"), number("id_card")))
    told = {
        ord("身"),
        ord("身") << 21 | ord("份"),
        ord("身") << 42 | ord("份") << 21 | ord("证"),
        SOUND << 62 | sen << 31 | fen,
        CONCEPT << 62 | card,
        CONCEPT << 62 | lost << 31 | card,
    }
    assert told <= set(found.tolist())
    assert set(mark(found).tolist()) == {0, SOUND, CONCEPT}


def counted(query: Query) -> dict[int, float]:
    keys, weights = weighed_features(query)
    assert weights is not None
    return dict(zip(keys.tolist(), weights.tolist(), strict=True))


def test_what_asks_nothing_counts_less(mind: Mind) -> None:
    found = counted(mind.index.query("昨天下雨。身份证丢了怎么补"))
    assert found[ord("补")] == 1
    assert 0.5 < found[ord("雨")] < 1
    assert weighed_features(mind.index.query("身份证丢了怎么补"))[1] is None


def test_what_was_asked_before_counts_less(mind: Mind) -> None:
    found = counted(mind.index.query("护照呢", "身份证丢了怎么补"))
    assert found[ord("护")] == 1
    assert found[ord("身")] < 1


def test_alone_or_among_many_the_features_count_alike(mind: Mind) -> None:
    query, taught = mind.index.query, mind.library.taught
    queries = [
        query("身份证丢了怎么补"),
        query("昨天身份证丢了。身份证怎么补"),
        query("护照呢", "身份证丢了怎么补"),
        query("上个月搬到洛阳，孩子也跟着来了，房子是租的。" * 2 + "孩子的户口怎么迁"),
        query("的"),
        query(""),
    ]
    rows = [taught.rows(*weighed_features(query)) for query in queries]
    believer = Believer(taught, [entry.fact for entry in mind.library.entries], 8)
    for beliefs in (believer.believe(queries), [believer.believe([q])[0] for q in queries]):
        for belief, wanted in zip(beliefs, taught.weigh(rows), strict=True):
            assert np.allclose(belief.behind - belief.behind.max(), wanted, atol=1e-4)


def test_clauses_are_no_neighbours() -> None:
    apart, together = letters(("甲乙", "丙")), letters(("甲乙丙",))
    assert len(apart.singles) == len(together.singles) == 3
    assert (len(apart.pairs), len(apart.triples)) == (1, 0)
    assert (len(together.pairs), len(together.triples)) == (2, 1)


def test_the_model_is_stored_and_read_alike(mind: Mind, tmp_path: Path) -> None:
    taught, path = mind.library.taught, tmp_path / "taught.npz"
    taught.write(path)
    again = read_taught(path)
    again.write(tmp_path / "again.npz")
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()
    rows = taught.rows(look(mind, "身份证丢了怎么补"))
    one, two = (model.weigh([rows])[0] for model in (taught, again))
    assert np.allclose(one, two, atol=0.05)
    assert one.max() == 0
    assert taught.columns == again.columns


def test_a_broken_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "taught.npz"
    assert read_taught(path).columns == untaught().columns == ()
    path.write_bytes(b"no model")
    with pytest.raises(ContentError, match=r"taught\.npz"):
        read_taught(path)


def test_an_entry_that_was_not_taught_is_found_all_the_same(mind: Mind) -> None:
    entry = mind.library.by_id["id-card-reissue"].model_copy(
        update={
            "id": "lost-dog-licence",
            "fact": "H999",
            "title": "犬证丢了补办",
            "phrasings": ("狗证丢了怎么补", "犬证不见了去哪里补办", "养狗的证掉了补一张"),
        }
    )
    library = replace(mind.library, entries=(*mind.library.entries, entry))
    judge = Judge(Index(library, mind.index.tokenizer), library.judge)
    assert judge.rule_text("狗证丢了怎么补").candidates[0].faq == "lost-dog-licence"
    assert "lost-dog-licence" in [c.faq for c in judge.rule_text("狗的证丢了补").candidates[:3]]
    assert judge.rule_text("身份证丢了怎么补").candidates[0].faq == "id-card-reissue"


def test_without_the_model_the_other_legs_answer(mind: Mind) -> None:
    library = replace(mind.library, taught=untaught())
    judge = Judge(Index(library, mind.index.tokenizer), library.judge)
    assert judge.rule_text("身份证丢了怎么补").candidates[0].fact == "H03"


def test_why_names_the_words_that_counted(mind: Mind) -> None:
    text = "孩子的身份证丢了怎么补"
    ruling = mind.judge.rule_text(text)
    why = weigh_words(mind.judge, text, ruling)
    assert why.counted
    assert all(one.word in text for one in why.counted)
    assert [one.loss for one in why.counted] == sorted((o.loss for o in why.counted), reverse=True)
    assert why.runner_up == ruling.candidates[1]
    assert any(pivot.word == "身份证" for pivot in why.pivots)
