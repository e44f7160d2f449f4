"""The shipped tags are the county's 12 × 102, and what an admin gets wrong is found."""

import csv
import shutil
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.content.checker import load_library
from jingxiaowei.content.loader import read_library
from jingxiaowei.content.model import Library
from jingxiaowei.content.shelf import Shelf
from jingxiaowei.content.source import Level, Problem
from jingxiaowei.content.tag_checker import check_tags
from jingxiaowei.content.tag_forbidden import in_definition, in_name, in_note, in_slug
from jingxiaowei.content.tag_loader import read_taxonomy
from jingxiaowei.content.tag_model import LONG_TERM_REVIEW_DAYS, Applier, Taxonomy
from jingxiaowei.errors import ContentError
from jingxiaowei.settings import PACKAGE
from tests.conftest import ROOT, make_settings

TODAY = date(2026, 11, 25)
LIBRARY: Library = read_library(make_settings(Path("/nowhere"), "sqlite+aiosqlite://"))[0]
TAXONOMY: Taxonomy = LIBRARY.taxonomy
GROUP = """\
slug: things
name: 东西
tags:
  - slug: bell_owner
    name: 有铃铛
    definition: 家里有铃铛，不记病情
    applied_by: [police, resident]
    purposes: [service]
    expires_days: 30
    sensitivity: general
    suggested_by:
      facts: [H03]
      says: [我有铃铛, 我…铃铛]
      unless: [铃铛花]
      cases:
        hit: [我有铃铛一个]
        miss: [我妈有铃铛, 我没有铃铛]
"""


@pytest.fixture
def shipped() -> list[dict[str, str]]:
    with (ROOT / "tests" / "data" / "tags.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_shipped_tags_are_the_table_that_was_agreed(shipped: list[dict[str, str]]) -> None:
    """A change of who may apply a tag, how long it lives or how careful it is, is no slip."""
    found = [
        {
            "slug": tag.slug,
            "group": tag.group,
            "name": tag.name,
            "sensitivity": tag.sensitivity.value,
            "expires_days": str(tag.expires_days or ""),
            "applied_by": "+".join(tag.applied_by),
            "purposes": "+".join(tag.purposes),
        }
        for tag in TAXONOMY.tags
    ]
    assert found == shipped
    assert len(TAXONOMY.groups) == 12
    assert len(found) == 102
    assert sum(tag.careful for tag in TAXONOMY.tags) == 17


def test_the_law_is_in_the_table() -> None:
    assert {t.slug for t in TAXONOMY.tags if Applier.SYSTEM in t.applied_by} == {"quiz_done"}
    assert {t.group for t in TAXONOMY.tags if t.minors} == {"service_need", "contact_pref"}
    long_term = [tag for tag in TAXONOMY.tags if tag.expires_days is None]
    assert {tag.group for tag in long_term} == {"contact_pref"}
    assert LONG_TERM_REVIEW_DAYS == 730


def test_one_choice_and_exclusions_are_known_from_both_sides() -> None:
    conflicts = TAXONOMY.conflicts
    assert conflicts("senior_60") >= {"young_adult", "middle_aged"}
    assert conflicts("senior_70") >= {"young_adult", "middle_aged", "senior_60"}
    assert TAXONOMY.narrower == {"senior_60": "senior_70"}
    assert conflicts("local_hukou") >= {"new_resident", "overseas_resident", "permit_holder"}
    assert "local_hukou" in conflicts("permit_holder")
    assert conflicts("car_owner") == frozenset()
    for tag in TAXONOMY.tags:
        assert all(tag.slug in conflicts(other) for other in conflicts(tag.slug))
        assert tag.slug not in conflicts(tag.slug)


def test_the_shipped_files_have_no_problem() -> None:
    shelf = Shelf()
    taxonomy = read_taxonomy(shelf, ROOT / "tags", PACKAGE / "content" / "lexicon")
    check_tags(taxonomy, LIBRARY.forbidden, {entry.fact for entry in LIBRARY.entries}, shelf)
    assert shelf.problems == []


def problems(folder: Path, text: str = GROUP, **files: str) -> list[Problem]:
    tags = folder / "tags"
    tags.mkdir(exist_ok=True)
    for name, content in {"things": text, **files}.items():
        (tags / f"{name}.yaml").write_text(content, encoding="utf-8")
    shelf = Shelf()
    taxonomy = read_taxonomy(shelf, tags, PACKAGE / "content" / "lexicon")
    check_tags(taxonomy, LIBRARY.forbidden, {"H03"}, shelf)
    return sorted(set(shelf.problems))


def errors(found: list[Problem]) -> list[tuple[int, str]]:
    return [(p.line, p.message) for p in found if p.level is Level.ERROR]


def test_a_good_group_has_no_error_and_another_count_is_a_warning(tmp_path: Path) -> None:
    found = problems(tmp_path)
    assert errors(found) == []
    assert ["现在是 1 组 1 个标签" in problem.message for problem in found] == [True]


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("    definition: 家里有铃铛，不记病情\n", "", 4, "缺少“definition”"),
        (
            "    suggested_by:\n      facts: [H03]\n",
            "    cues:\n      facts: [H03]\n",
            4,
            "suggested_by",
        ),
        ("sensitivity: general", "sensitivity: secret", 10, "secret"),
        ("applied_by: [police, resident]", "applied_by: [neighbour]", 7, "neighbour"),
        ("applied_by: [police, resident]", "applied_by: []", 7, "至少写一条"),
        ("applied_by: [police, resident]", "applied_by: [system]", 7, "只有 quiz_done"),
        ("applied_by: [police, resident]", "applied_by: [police, police]", 7, "重复"),
        ("expires_days: 30", "expires_days:", 9, "只有居民自己选的偏好可以长期"),
        ("expires_days: 30", "expires_days: 0", 9, "greater than"),
        ("slug: bell_owner", "slug: Bell-Owner", 4, "写法不对"),
        ("name: 有铃铛", "name: 家里有一只很响的大铃铛", 5, "超过 10 个字"),
        ("name: 东西", "name: 东西东西东西东西东西东", 2, "超过 10 个字"),
        ("name: 东西", "name: 东西\nminors_allowed: true", 3, "14 到 17 周岁"),
        ("name: 东西", "name: 东西\none_of: [[bell_owner, bell_owners]]", 3, "是不是“bell_owner”"),
        ("name: 东西", "name: 东西\none_of: [[bell_owner]]", 3, "至少写两个"),
        (
            "    sensitivity: general",
            "    sensitivity: general\n    excludes: [nothing]",
            11,
            "没有标签“nothing”",
        ),
        (
            "    sensitivity: general",
            "    sensitivity: general\n    excludes: [bell_owner]",
            11,
            "和自己互斥",
        ),
        (
            "    sensitivity: general",
            "    sensitivity: general\n    part_of: bell_owner",
            11,
            "更宽的标签",
        ),
        (
            "    sensitivity: general",
            "    sensitivity: general\n    part_of: nothing",
            11,
            "没有标签“nothing”",
        ),
        ("我…铃铛]", "我…]", 13, "两边都要有字"),
        ("unless: [铃铛花]", "unless: [铃…花]", 14, "不能有“…”"),
        ("hit: [我有铃铛一个]", "hit: [我有一面鼓]", 16, "应该想到这个标签"),
        ("miss: [我妈有铃铛,", "miss: [我有铃铛了,", 17, "不该想到这个标签"),
        ("facts: [H03]", "facts: [身份证]", 12, "写法不对"),
        ("facts: [H03]", "facts: [H03]\n      ages: [60, 18]", 13, "小的在前"),
        ("name: 有铃铛", "name: 信访户", 5, "信访上访"),
        ("slug: bell_owner", "slug: petitioner", 4, "信访上访"),
        ("definition: 家里有铃铛，不记病情", "definition: 家里有病人", 6, "不记……"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in GROUP
    found = errors(problems(tmp_path, GROUP.replace(old, new)))
    assert [at for at, text in found if says in text] == [line], found


def test_an_unknown_fact_only_warns(tmp_path: Path) -> None:
    """An answer may be retired; the tag's cue sleeps, and the house starts."""
    found = problems(tmp_path, GROUP.replace("H03", "H999"))
    assert errors(found) == []
    assert any("H999" in problem.message and problem.line == 12 for problem in found)


def test_a_slug_or_a_name_stands_once(tmp_path: Path) -> None:
    again = GROUP.replace("slug: things", "slug: more").replace("有铃铛\n", "铃铛\n")
    found = errors(problems(tmp_path, more=GROUP.replace("东西", "别的东西"), other=again))
    assert any("代号“bell_owner”重复" in text for _, text in found)
    assert any("代号“things”重复" in text for _, text in found)
    named = GROUP.replace("slug: things", "slug: more").replace("bell_owner", "bell_ringer")
    assert any("名称“有铃铛”重复" in text for _, text in errors(problems(tmp_path, other=named)))


def test_without_tags_the_house_does_not_start(tmp_path: Path) -> None:
    settings = make_settings(tmp_path, "sqlite+aiosqlite://", tags_dir=tmp_path / "none")
    with pytest.raises(ContentError, match="没有找到标签文件"):
        load_library(settings, TODAY)


def test_a_forbidden_tag_refuses_the_start(tmp_path: Path) -> None:
    tags = tmp_path / "tags"
    shutil.copytree(ROOT / "tags", tags)
    group = next(tags.glob("*care.yaml"))
    text = group.read_text(encoding="utf-8").replace("name: 独居老人", "name: 精神病人")
    group.write_text(text, encoding="utf-8")
    with pytest.raises(ContentError, match="疾病"):
        load_library(make_settings(tmp_path, "sqlite+aiosqlite://", tags_dir=tags), TODAY)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("少数民族", "ethnicity"),
        ("藏族居民", "ethnicity"),
        ("民 族", "ethnicity"),
        ("信教群众", "religion"),
        ("基督教徒", "religion"),
        ("清真家庭", "religion"),
        ("党员", "politics"),
        ("政治面貌", "politics"),
        ("信访户", "petition"),
        ("信訪戶", "petition"),
        ("心访人员", "petition"),
        ("ｘｉｎｆａｎｇ户", "petition"),
        ("上·访", "petition"),
        ("残疾人", "health"),
        ("殘疾人", "health"),
        ("HIV", "health"),
        ("ＨＩＶ携带", "health"),
        ("抑郁", "health"),
        ("精神状况差", "health"),
        ("孕妇", "health"),
        ("同性恋", "orientation"),
        ("LGBT", "orientation"),
        ("人脸已采", "biometrics"),
        ("指纹", "biometrics"),
        ("前科人员", "suspicion"),
        ("前 科", "suspicion"),
        ("涉毒", "suspicion"),
        ("邪教", "suspicion"),
        ("重点人", "key_person"),
        ("zhongdian人", "key_person"),
        ("重典人员", "key_person"),
        ("高危", "key_person"),
        ("高 風險", "key_person"),
        ("不放心人员", "key_person"),
        ("老癞", "key_person"),
        ("低收入", "money"),
        ("余额不足", "money"),
        ("车牌", "plate_and_track"),
        ("行踪", "plate_and_track"),
        ("越南籍", "nationality"),
        ("国籍", "nationality"),
        ("易骗", "derogatory"),
        ("易 骗 老人", "derogatory"),
        ("难缠", "derogatory"),
        ("男缠", "derogatory"),
    ],
)
def test_near_forms_of_forbidden_names_are_known(name: str, kind: str) -> None:
    assert kind in {it.id for it, _ in in_name(LIBRARY.forbidden, name)}


@pytest.mark.parametrize(
    ("slug", "kind"),
    [
        ("high_risk_home", "key_person"),
        ("zhongdian_ren", "key_person"),
        ("laolai", "key_person"),
        ("petitioner", "petition"),
        ("xin_fang", "petition"),
        ("muslim_family", "religion"),
        ("ex_convict", "suspicion"),
        ("xi_du", "suspicion"),
        ("mental_health", "health"),
        ("gullible", "derogatory"),
        ("low_income", "money"),
        ("plate_known", "plate_and_track"),
    ],
)
def test_forbidden_slugs_are_known_in_english_and_pinyin(slug: str, kind: str) -> None:
    assert kind in {it.id for it, _ in in_slug(LIBRARY.forbidden, slug)}


def test_a_note_is_held_to_the_same_list_in_its_own_words() -> None:
    said = {
        "本人说得了癌 症": "癌",
        "和老公離婚了": "离婚",
        "月收入不错": "月收入",
        "工资8000": "工资8",
        "重点人": "重点人",
        "已教会她用手机，骗子拉过群": "",
        "老板拖欠工资，来问怎么办": "",
    }
    assert {note: in_note(LIBRARY.forbidden, note) for note in said} == said


@pytest.mark.parametrize(
    ("definition", "allowed"),
    [
        ("本人自述需要，不记残疾、病情", True),
        ("不记国别；不写号牌", True),
        ("家里有残疾人，不记原因", False),
        ("不记原因，家里有残疾人", False),
        ("收入低的家庭", False),
    ],
)
def test_a_definition_may_say_what_is_not_kept(definition: str, allowed: bool) -> None:
    assert (list(in_definition(LIBRARY.forbidden, definition)) == []) is allowed


@pytest.mark.parametrize(
    "name", ["征信防范", "村民组长", "常住居民", "驾驶证到期", "家长", "亲信", "平安商户"]
)
def test_ordinary_names_are_not_refused(name: str) -> None:
    assert list(in_name(LIBRARY.forbidden, name)) == []


@given(
    st.sampled_from([word for kind in LIBRARY.forbidden.kinds for word in kind.words]),
    st.sampled_from(["", " ", "·", "-", "\u3000", "\u200b", "。"]),
)
def test_marks_between_the_characters_hide_nothing(word: str, mark: str) -> None:
    assert list(in_name(LIBRARY.forbidden, mark.join(word)))
