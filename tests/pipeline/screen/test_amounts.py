"""Sums of money in every notation."""

import pytest

from jingxiaowei.pipeline.screen.entities import read_entities
from jingxiaowei.pipeline.screen.screen import Screen
from jingxiaowei.pipeline.screen.values import EntityKind


def found(screen: Screen, text: str, kind: EntityKind) -> list[str]:
    entities = read_entities(text, screen.leveller.level(text))
    for entity in entities:
        assert text[entity.start : entity.end] == entity.quote
    return [entity.value for entity in entities if entity.kind is kind]


@pytest.mark.parametrize(
    ("text", "yuan"),
    [
        ("打5万", "50000"),
        ("转３.８万", "38000"),
        ("垫3w8", "38000"),
        ("一共27万6", "276000"),
        ("二十来万", "200000"),
        ("贰拾柒万陆仟元", "276000"),
        ("付580,000", "580000"),
        ("伍万元整", "50000"),
        ("转账38000", "38000"),
        ("被骗1.5万元", "15000"),
        ("八百块", "800"),
    ],
)
def test_sums_are_read(screen: Screen, text: str, yuan: str) -> None:
    assert found(screen, text, EntityKind.AMOUNT) == [yuan]


@pytest.mark.parametrize("text", ["2025年8月", "三楼大厅", "第3次", "12人", "扣12分"])
def test_other_numbers_are_no_money(screen: Screen, text: str) -> None:
    assert found(screen, text, EntityKind.AMOUNT) == []


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("卡号6217 0038 1234 5678", "6217003812345678"),
        ("账号６２２２０２１２０３００４５６７８９０", "6222021203004567890"),
        ("六二一七〇〇一二〇〇〇三四五六七八九", "621700120003456789"),
    ],
)
def test_a_split_account_is_one(screen: Screen, text: str, account: str) -> None:
    assert found(screen, text, EntityKind.ACCOUNT) == [account]


def test_phones_and_addresses_are_told_apart(screen: Screen) -> None:
    text = "打 138 0000 1234，或点 https://pay.example.top/a 加QQ 335551239"
    assert found(screen, text, EntityKind.PHONE) == ["13800001234"]
    assert found(screen, text, EntityKind.URL) == ["pay.example.top/a"]
    assert found(screen, text, EntityKind.QQ) == ["335551239"]


def test_an_identity_number_is_no_account(screen: Screen) -> None:
    assert found(screen, "身份证330424199001011234", EntityKind.ACCOUNT) == []


def test_the_company_that_is_to_be_paid(screen: Screen) -> None:
    text = "户名：某地瑞某工程有限公司，今天付"
    assert found(screen, text, EntityKind.COMPANY) == ["某地瑞某工程有限公司"]
