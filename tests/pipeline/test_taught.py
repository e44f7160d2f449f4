"""The taught leg: what it looks at, that it is stored and read alike, and who it was not taught."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jingxiaowei.content.syllables import syllables
from jingxiaowei.content.taught import read_taught, untaught
from jingxiaowei.errors import ContentError
from jingxiaowei.pipeline.answer.features import features
from jingxiaowei.pipeline.answer.index import Index
from jingxiaowei.pipeline.answer.judge import Judge
from jingxiaowei.pipeline.answer.why import weigh_words
from jingxiaowei.pipeline.decide import Mind


def look(mind: Mind, text: str) -> dict[str, float]:
    return features(mind.index.tokenizer.clauses(text))


def test_sounds_and_typed_pinyin_are_alike() -> None:
    assert syllables("牵户口") == syllables("迁户口") == syllables("qianhukou")
    assert syllables("驾使证") == syllables("驾驶证")
    assert syllables("sfz") == ["sfz"]
    assert syllables("12123") == list("12123")


def test_traditional_characters_are_the_simplified(mind: Mind) -> None:
    assert look(mind, "駕駛證遺失補領") == look(mind, "驾驶证遗失补领")


def test_which_town_does_not_matter(mind: Mind) -> None:
    assert look(mind, "洛阳身份证丢了怎么补") == look(mind, "泉州身份证丢了怎么补")


def test_features_are_characters_sounds_and_concepts(mind: Mind) -> None:
    found = look(mind, "身份证丢了")
    assert {"身", "身份", "身份证", "sen fen", "#id_card", "#lose"} <= set(found)
    assert "#id_card#lose" in found


def test_the_model_is_stored_and_read_alike(mind: Mind, tmp_path: Path) -> None:
    taught, path = mind.library.taught, tmp_path / "taught.npz"
    taught.write(path)
    again = read_taught(path)
    again.write(tmp_path / "again.npz")
    assert path.read_bytes() == (tmp_path / "again.npz").read_bytes()
    one, two = (model.weigh(look(mind, "身份证丢了怎么补")) for model in (taught, again))
    assert np.allclose(one, two, atol=0.05)
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
