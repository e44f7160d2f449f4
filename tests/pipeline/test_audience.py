"""Audiences: what is written is what is meant, and an explanation never disagrees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.content.loader import read_library
from jingxiaowei.errors import AudienceError
from jingxiaowei.pipeline.audience import (
    AllOf,
    And,
    AnyOf,
    Audience,
    Clause,
    ContactedWithin,
    Expression,
    Has,
    InArea,
    Not,
    Or,
    Person,
    Test,
    show,
)
from jingxiaowei.pipeline.audience_parser import DEEPEST, LONGEST, parse
from jingxiaowei.settings import Settings
from tests.conftest import ROOT

TAXONOMY = read_library(
    Settings(_env_file=None, faq_dir=ROOT / "faq", tags_dir=ROOT / "tags")  # type: ignore[call-arg]
)[0].taxonomy
AREAS = ("wuyuan", "xitangqiao", "desk")
SLUGS = ("finance_staff", "business_owner", "warned_recently", "senior_60", "opt_out")

atoms = st.one_of(
    st.sampled_from(SLUGS[:-1]).map(Has),
    st.sampled_from(AREAS).map(InArea),
    st.integers(1, 3650).map(ContactedWithin),
)
expressions: st.SearchStrategy[Expression] = st.recursive(
    atoms,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
).filter(lambda expression: _depth(expression) < DEEPEST)
people = st.builds(
    Person,
    tags=st.frozensets(st.sampled_from(SLUGS)),
    area=st.sampled_from(("", *AREAS)),
    days_since_contact=st.none() | st.floats(0, 4000),
)


def _depth(expression: Expression) -> int:
    match expression:
        case Not(of):
            return 1 + _depth(of)
        case And(parts) | Or(parts):
            return 1 + max(map(_depth, parts))
    return 0


@given(expressions)
def test_what_is_printed_reads_back_as_the_same(expression: Expression) -> None:
    assert parse(show(expression), TAXONOMY, AREAS).expression == expression


@given(expressions, people)
def test_an_explanation_agrees_with_the_verdict(expression: Expression, person: Person) -> None:
    audience = Audience(expression, TAXONOMY)
    lines = audience.explain(person)
    assert all(line.holds for line in lines if line.depth == 0) is audience.holds(person)


@given(expressions, people)
def test_the_normal_form_means_the_same(expression: Expression, person: Person) -> None:
    audience = Audience(expression, TAXONOMY)
    assert _clause_holds(audience.to_clauses(), person) is audience.holds(person)


@given(expressions)
def test_the_normal_form_is_flat_and_says_that_nobody_opted_out(expression: Expression) -> None:
    clause = Audience(expression, TAXONOMY).to_clauses()
    assert isinstance(clause, AllOf)
    assert clause.of[0] == Test("tag", "opt_out", False)
    assert _is_flat(clause)


@given(people)
def test_who_opted_out_is_in_no_audience(person: Person) -> None:
    everybody = Or((Has("senior_60"), Not(Has("senior_60"))))
    assert Audience(everybody, TAXONOMY).holds(person) is ("opt_out" not in person.tags)


@given(
    st.text(
        alphabet="andornot()（）且或非 财务人员finance_staff:area30dcontacted_within", max_size=40
    )
)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    error = _refusal(text)
    assert error is None or (0 <= error.position <= len(text) and str(error))


def _refusal(text: str) -> AudienceError | None:
    try:
        parse(text, TAXONOMY, AREAS)
    except AudienceError as error:
        return error
    return None


def _clause_holds(clause: Clause, person: Person) -> bool:
    match clause:
        case Test("tag", value, wanted):
            return (value in person.tags) is wanted
        case Test("area", value, wanted):
            return (person.area == value) is wanted
        case Test(_, value, wanted):
            since = person.days_since_contact
            return (since is not None and since <= float(value)) is wanted
        case AllOf(parts):
            return all(_clause_holds(part, person) for part in parts)
        case AnyOf(parts):
            return any(_clause_holds(part, person) for part in parts)


def _is_flat(clause: Clause) -> bool:
    if isinstance(clause, Test):
        return True
    return all(type(part) is not type(clause) and _is_flat(part) for part in clause.of)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (
            "(finance_staff OR business_owner) AND NOT warned_recently",
            "(finance_staff OR business_owner) AND NOT warned_recently",
        ),
        (
            "（财务人员或企业负责人）且非近期已预警",
            "(finance_staff OR business_owner) AND NOT warned_recently",
        ),
        (
            "finance_staff or business_owner and senior_60",
            "finance_staff OR (business_owner AND senior_60)",
        ),
        (
            "财务人员 并且 辖区：wuyuan 并且 联系过：30天",
            "finance_staff AND area:wuyuan AND contacted_within:30d",
        ),
        ("not not 六十岁以上", "NOT NOT senior_60"),
        ("反诈app已指导", "app_guided"),
        ("finance_staff AND NOT opt_out", "finance_staff AND NOT opt_out"),
    ],
)
def test_both_languages_are_read(text: str, same: str) -> None:
    assert parse(text, TAXONOMY, AREAS).expression == parse(same, TAXONOMY, AREAS).expression


@pytest.mark.parametrize(
    ("text", "at", "says"),
    [
        ("", 0, "空的"),
        ("  ", 0, "空的"),
        ("finace_staff", 0, "是不是 finance_staff（财务人员）？"),
        ("senior_60 AND 财物人员", 14, "是不是 finance_staff（财务人员）？"),
        ("finance_staff business_owner", 14, "前面少了 AND 或 OR"),
        ("(finance_staff", 0, "没有配对的右括号"),
        ("finance_staff)", 13, "多了一个右括号"),
        ("finance_staff AND", 17, "话没写完"),
        ("AND finance_staff", 0, "这里要写标签"),
        ("finance_staff AND OR senior_60", 18, "这里要写标签"),
        ("()", 1, "这里要写标签"),
        ("area:wuyan", 5, "是不是 wuyuan？"),
        ("area:", 5, "冒号后面要写辖区代号"),
        ("contacted_within:30", 17, "要写天数"),
        ("contacted_within:0d", 17, "要写天数"),
        ("contacted_within:99999d", 17, "最多 3650d"),
        ("xyzzy AND senior_60", 0, "没有这个标签"),
        ("opt_out", 0, "不能拿来圈人"),
        ("senior_60 AND NOT NOT opt_out", 22, "不能拿来圈人"),
        ("NOT " * (DEEPEST + 2) + "senior_60", 4 * (DEEPEST + 1), "套得太深"),
        ("senior_60 " * LONGEST, LONGEST, "太长"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, at: int, says: str) -> None:
    with pytest.raises(AudienceError) as caught:
        parse(text, TAXONOMY, AREAS)
    assert says in str(caught.value)
    assert caught.value.position == at


def test_an_explanation_says_how_it_is() -> None:
    audience = parse("财务人员 且 (contacted_within:30d 或 area:wuyuan)", TAXONOMY, AREAS)
    person = Person(frozenset({"finance_staff"}), "desk", 12.4)
    assert [(line.depth, line.says, line.holds) for line in audience.explain(person)] == [
        (0, "没有选“不接收宣传”", True),
        (0, "下面每条都要成立", True),
        (1, "“财务人员”：有", True),
        (1, "下面成立一条就行", True),
        (2, "30 天内联系过：上次是 12 天前", True),
        (2, "辖区是 wuyuan：desk", False),
    ]


def test_who_has_the_narrower_tag_belongs_to_the_wider_ones_audience() -> None:
    old, retired = (
        Person(frozenset({"senior_70"}), "", None),
        Person(frozenset({"retiree"}), "", None),
    )
    for text, in_it, out in (
        ("senior_60", old, retired),
        ("NOT senior_60", retired, old),
        ("retiree OR senior_60 AND NOT senior_70", retired, old),
    ):
        audience = parse(text, TAXONOMY, AREAS)
        assert audience.holds(in_it)
        assert not audience.holds(out)
        assert str(audience) == text
    assert parse("senior_60", TAXONOMY, AREAS).explain(old)[-1].says == "“六十岁以上”：有"


def test_it_says_what_it_asks_about_and_takes_new_names() -> None:
    audience = parse("(finance_staff OR senior_60) AND area:desk", TAXONOMY, AREAS)
    assert audience.tags() == {"finance_staff", "senior_60"}
    assert audience.areas() == {"desk"}
    renamed = audience.renamed({"senior_60": "senior_70"}, TAXONOMY)
    assert str(renamed) == "(finance_staff OR senior_70) AND area:desk"
