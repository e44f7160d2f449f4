"""What an admin gets wrong is found at once, each fault with its file and line."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from jingxiaowei.content.checker import check_library, load_library
from jingxiaowei.content.loader import read_library
from jingxiaowei.content.source import Level, Problem
from jingxiaowei.errors import ContentError
from jingxiaowei.settings import PACKAGE
from tests.conftest import ROOT, make_settings

TODAY = date(2026, 11, 22)
ENTRY = """\
- id: lost-card
  fact: H03
  domain: hukou
  title: 身份证丢失补领
  phrasings:
    - 身份证丢了怎么补
    - 补身份证
  concepts: {object: [id_card], action: [reissue]}
  answer: 本人到{window.household}补领。
  source: 居民身份证法第11条
  certainty: verified
  reviewed_on: 2026-11-22
"""


def check(folder: Path, text: str, **files: str) -> list[Problem]:
    faq = folder / "faq"
    faq.mkdir(exist_ok=True)
    (faq / "a.yaml").write_text(text, encoding="utf-8")
    for name, more in files.items():
        (faq / f"{name}.yaml").write_text(more, encoding="utf-8")
    library, shelf = read_library(make_settings(folder, "sqlite+aiosqlite://", faq_dir=faq))
    return [p for p in check_library(library, shelf, TODAY) if "faq" in p.file]


def errors(problems: list[Problem]) -> list[tuple[int, str]]:
    return [(p.line, p.message) for p in problems if p.level is Level.ERROR]


def warnings(problems: list[Problem]) -> list[tuple[int, str]]:
    return [(p.line, p.message) for p in problems if p.level is Level.WARNING]


def test_a_good_entry_has_no_error(tmp_path: Path) -> None:
    assert errors(check(tmp_path, ENTRY)) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("  source: 居民身份证法第11条\n", "", 1, "source"),
        ("domain: hukou", "domain: sports", 3, "sports"),
        ("fact: H03", "fact: 丢证", 2, "丢证"),
        ("[id_card]", "[id_crad]", 8, "id_crad"),
        ("[reissue]", "[id_card]", 8, "id_card"),
        ("{window.household}", "{window.nowhere}", 9, "window.nowhere"),
        ("{window.household}", "{window.household", 9, "花括号"),
        ("reviewed_on: 2026-11-22", "reviewed_on: 去年", 12, "日期"),
        ("    - 补身份证\n", "    - 身份证丢了，怎么补？\n", 7, "重复"),
        ("    - 补身份证\n", "    - ？？\n", 7, "没有字"),
        ("  title: 身份证丢失补领", "  title: a\n  title: b", 5, "写了两次"),
        ("answer: 本人", "answer: [本人", 9, "YAML"),
        ("本人到{window.household}补领。", "字" * 700, 9, "2048"),
        ("phrasings:\n    - 身份证丢了怎么补\n    - 补身份证\n", "phrasings: []\n", 5, "phrasings"),
    ],
)
def test_each_fault_has_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in ENTRY
    found = errors(check(tmp_path, ENTRY.replace(old, new)))
    assert any(says in message and abs(at - line) <= 1 for at, message in found), found


def test_all_faults_are_found_at_once(tmp_path: Path) -> None:
    broken = ENTRY.replace("hukou", "x").replace("2026-11-22", "y").replace("H03", "z")
    assert len(errors(check(tmp_path, broken))) >= 3


def test_repeated_ids_and_phrasings_name_both_places(tmp_path: Path) -> None:
    found = errors(check(tmp_path, ENTRY, b=ENTRY))
    assert any("id" in message and "a.yaml" in message for _, message in found)
    other = ENTRY.replace("id: lost-card", "id: other-card").replace("H03", "H04")
    found = errors(check(tmp_path, ENTRY, b=other))
    assert sum("重复" in message and "a.yaml" in message for _, message in found) == 2


def test_the_calendar_never_refuses(tmp_path: Path) -> None:
    old = ENTRY.replace("reviewed_on: 2026-11-22", "reviewed_on:\n  valid_until: 2020-01-01")
    problems = check(tmp_path, old)
    assert errors(problems) == []
    assert {"还没有核对过", "已过有效日期"} <= {m.split("：")[0] for _, m in warnings(problems)}


def test_a_misspelt_name_is_seen(tmp_path: Path) -> None:
    found = warnings(check(tmp_path, ENTRY.replace("  source:", "  auhtor: 王\n  source:")))
    assert any("auhtor" in message for _, message in found)


def test_no_utf8_and_no_list(tmp_path: Path) -> None:
    (tmp_path / "faq").mkdir()
    (tmp_path / "faq" / "gbk.yaml").write_bytes("- id: 身份证".encode("gbk"))
    found = errors(check(tmp_path, "entries: 1\n"))
    assert any("UTF-8" in message for _, message in found)
    assert any("列表" in message for _, message in found)


def test_broken_content_refuses_to_start(tmp_path: Path) -> None:
    check(tmp_path, ENTRY.replace("hukou", "sports"))
    settings = make_settings(tmp_path, "sqlite+aiosqlite://", faq_dir=tmp_path / "faq")
    with pytest.raises(ContentError, match=r"a\.yaml:3 "):
        load_library(settings, TODAY)


def test_one_word_belongs_to_one_concept(tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon"
    shutil.copytree(PACKAGE / "content" / "lexicon", lexicon)
    (lexicon / "zzz.yaml").write_text(
        "kind: object\nconcepts:\n  strange_card: [怪卡, 身份证]\n", encoding="utf-8"
    )
    settings = make_settings(
        tmp_path, "sqlite+aiosqlite://", faq_dir=ROOT / "faq", lexicon_dir=lexicon
    )
    library, shelf = read_library(settings)
    problems = check_library(library, shelf, TODAY)
    (clash,) = [p for p in problems if p.level is Level.ERROR]
    assert clash.line == 3
    assert "id_card" in clash.message


def test_the_shipped_content_is_whole(tmp_path: Path) -> None:
    library, shelf = read_library(make_settings(tmp_path, "sqlite+aiosqlite://"))
    problems = [p for p in check_library(library, shelf, TODAY) if p.level is Level.ERROR]
    assert problems == []
    facts = {entry.fact for entry in library.entries}
    numbers = {"H": 83, "T": 104, "E": 68}
    wanted = {f"{letter}{n:02d}" for letter, last in numbers.items() for n in range(1, last + 1)}
    assert facts == wanted
    for entry in library.entries:
        assert len(entry.phrasings) >= 10, entry.id
        assert len(entry.cases.hit) >= 5, entry.id
        assert len(entry.cases.miss) >= 2, entry.id


def test_the_report_is_the_contracts(tmp_path: Path) -> None:
    from jingxiaowei.services.curation import check as report

    shown = report(make_settings(tmp_path, "sqlite+aiosqlite://"))
    json.dumps(shown, ensure_ascii=False)
    assert shown["ok"] is True
    assert shown["faq"]["entries"] == 255
    assert set(shown["faq"]["by_domain"]) == {"hukou", "traffic", "exit_entry"}
    assert {"ok", "faq", "tags", "scams", "problems"} == set(shown)
    assert shown["tags"] == {"groups": 12, "tags": 102}
    for problem in shown["problems"]:
        assert set(problem) == {"file", "line", "level", "message"}
