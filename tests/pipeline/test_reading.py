"""Layout, transcripts and secrets, from lines with boxes: no picture is needed."""

import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingxiaowei.pipeline.cards import (
    Secret,
    SecretKind,
    find_secrets,
    is_card_number,
    is_id_number,
)
from jingxiaowei.pipeline.layout import Role, arrange
from jingxiaowei.pipeline.reading import Box, Line, Reading, restore
from jingxiaowei.pipeline.transcript import as_dialogue, transcribe

WIDTH, HEIGHT = 1000, 2000
# Made up for this test: a region and date that are possible, with the right check digits.
ID_NUMBER = "110101190001010006"
CARD = "6200 0000 0000 0000 000"


def page(text: str, x: int, y: int, h: int = 40) -> Line:
    """A line on the chat's own ground."""
    return Line(text, Box(x, y, wide(text, h), h), 0.99, Box(0, y - 60, WIDTH, 120))


def wide(text: str, h: int) -> int:
    return round(sum(0.5 if c < "\u0250" else 0.9 for c in text) * h)


def bubble(side: str, y: int, *texts: str, h: int = 50) -> list[Line]:
    """A bubble's lines: at the left behind a portrait, or at the right before one."""
    width = max(wide(text, h) for text in texts) + 60
    x = 150 if side == "left" else WIDTH - 150 - width
    panel = Box(x, y, width, len(texts) * 60 + 40)
    return [
        Line(text, Box(x + 30, y + 20 + 60 * n, wide(text, h), h), 0.99, panel)
        for n, text in enumerate(texts)
    ]


def reading(*lines: Line | list[Line]) -> Reading:
    flat = [n for line in lines for n in (line if isinstance(line, list) else [line])]
    return Reading(WIDTH, HEIGHT, tuple(flat))


STATUS = [page("11:05", 40, 20, 36), page("5G 82%", 860, 20, 36)]
TITLE = page("高层沟通群(4)", 380, 110, 48)
TIME = page("昨天 09:12", 430, 230, 36)


def test_a_group_chat() -> None:
    read = reading(
        STATUS,
        page("<", 30, 112, 40),
        TITLE,
        TIME,
        page("赵总", 150, 310, 34),
        bubble("left", 350, "账上现在还有多少钱，截", "图发我"),
        bubble("right", 560, "稍等"),
        page("赵总", 150, 680, 34),
        bubble("left", 720, "马上付"),
        page("+", 940, 1920, 50),
    )
    assert as_dialogue(read).splitlines() == [
        "高层沟通群(4)",
        "昨天 09:12",
        "赵总：账上现在还有多少钱，截图发我",
        "我：稍等",
        "赵总：马上付",
    ]
    roles = [block.role for block in arrange(read)]
    assert roles == [Role.TITLE, Role.NOTE, Role.OTHER, Role.OWN, Role.OTHER]


def test_a_dialogue_is_with_whom_the_title_names() -> None:
    read = reading(TITLE, bubble("left", 350, "在吗"), bubble("right", 480, "在"))
    assert as_dialogue(read).splitlines()[1:] == ["高层沟通群：在吗", "我：在"]


def test_without_title_and_names_the_other_is_the_other() -> None:
    read = reading(bubble("left", 350, "在吗"), bubble("right", 480, "在"))
    assert as_dialogue(read) == "对方：在吗\n我：在"


def test_a_name_holds_for_the_next_bubbles_without_one() -> None:
    read = reading(
        page("王主管", 150, 310, 34), bubble("left", 350, "先垫付"), bubble("left", 480, "快点")
    )
    assert as_dialogue(read) == "王主管：先垫付\n王主管：快点"


@pytest.mark.parametrize("badge", ["群主", "管理员", "LV7"])
def test_badges_are_no_names(badge: str) -> None:
    behind = [page("王主管", 150, 310, 34), page(badge, 280, 312, 30)]
    grown_on = [page(f"王主管 {badge}", 150, 310, 34)]
    for names in (behind, grown_on):
        read = reading(names, bubble("left", 350, "先垫付"))
        assert as_dialogue(read) == "王主管：先垫付"


def test_ones_own_name_is_me() -> None:
    own = bubble("right", 350, "好的马上")
    name = page("小陈", own[0].panel.right - 62 if own[0].panel else 0, 310, 34)
    assert as_dialogue(reading(name, own)) == "我：好的马上"


def test_letters_on_a_portrait_are_not_said() -> None:
    portrait = Line("小陈", Box(880, 365, 60, 40), 0.9, Box(870, 350, 90, 90))
    assert as_dialogue(reading(bubble("right", 350, "好的"), portrait)) == "我：好的"


def test_as_wide_on_both_sides() -> None:
    """A bubble as wide as the chat allows is told by whose edge it is flush with."""
    short = [bubble("left", 300, "在"), bubble("right", 420, "在的")]
    panel = Box(150, 560, 700, 100)  # 150 at the left, 150 at the right: flush with either
    wide_one = Line("很长很长", Box(180, 580, 600, 50), 0.9, panel)
    nearer_left = Line("很长很长", Box(180, 580, 600, 50), 0.9, Box(150, 560, 680, 100))
    nearer_right = Line("很长很长", Box(200, 580, 600, 50), 0.9, Box(170, 560, 680, 100))
    assert "对方：很长很长" in as_dialogue(reading(*short, nearer_left))
    assert "我：很长很长" in as_dialogue(reading(*short, nearer_right))
    assert "：很长很长" in as_dialogue(reading(*short, wide_one))


def test_an_announcement_has_its_own_speaker() -> None:
    banner = Line("群公告 付款一律在群内确认", Box(30, 180, 600, 40), 0.9)
    read = reading(TITLE, banner, page("赵总", 150, 310, 34), bubble("left", 350, "收到回一"))
    text = as_dialogue(read)
    assert "群公告：付款一律在群内确认" in text
    start = text.index("付款一律")
    assert transcribe(read).boxes(start, start + 4)[0].x > 100


def test_a_file_is_its_name() -> None:
    panel = Box(300, 350, 550, 140)
    lines = [
        Line("尾款回单.pdf", Box(330, 370, 260, 44), 0.9, panel),
        Line("186 KB", Box(330, 430, 100, 34), 0.9, panel),
        Line("PDF", Box(760, 390, 60, 36), 0.9, Box(740, 370, 90, 90)),
    ]
    assert as_dialogue(reading(bubble("left", 200, "发我"), lines)).endswith("我：尾款回单.pdf")


def test_words_of_another_tongue_keep_their_space() -> None:
    read = reading(bubble("right", 350, "Due to strict", "confidentiality"))
    assert as_dialogue(read) == "我：Due to strict confidentiality"
    read = reading(bubble("right", 350, "上次合同 HT-2026-1", "18 的尾款请尽快"))
    assert as_dialogue(read) == "我：上次合同 HT-2026-118 的尾款请尽快"


def test_a_new_paragraph_is_no_running_over() -> None:
    read = reading(bubble("left", 350, "好", "这是第二段，长得多了"))
    assert as_dialogue(read) == "对方：好 这是第二段，长得多了"


def test_no_chat_is_plain_lines() -> None:
    read = reading(
        page("防诈骗通告", 300, 100), page("一、不轻信", 100, 300), page("96110", 600, 302)
    )
    assert as_dialogue(read) == "防诈骗通告\n一、不轻信 96110"
    assert {block.role for block in arrange(read)} == {Role.PLAIN}


def test_nothing_read_says_nothing() -> None:
    assert as_dialogue(Reading(100, 100)) == ""
    assert transcribe(Reading(100, 100)).boxes(0, 10) == ()


def test_a_computers_screen_begins_beside_its_list() -> None:
    def at(text: str, x: int, y: int, panel: Box) -> Line:
        return Line(text, Box(x, y, wide(text, 24), 24), 0.9, panel)

    chat, listed = Box(420, 0, 1500, 900), Box(80, 0, 340, 900)
    read = Reading(
        1920,
        1080,
        (
            at("高层沟通群", 450, 30, chat),
            at("妈妈", 160, 100, listed),
            at("昨天 09:12", 1130, 100, chat),
            at("在吗", 520, 180, Box(505, 170, 80, 44)),
            at("不在", 1760, 260, Box(1745, 250, 80, 44)),
        ),
    )
    assert as_dialogue(read).splitlines() == [
        "高层沟通群",
        "昨天 09:12",
        "高层沟通群：在吗",
        "我：不在",
    ]
    place = as_dialogue(read).index("不在")
    assert transcribe(read).boxes(place, place + 2)[0].x > 1700


def test_a_quote_lights_its_boxes() -> None:
    read = reading(bubble("left", 350, "先打五万过去，", "手续后补"))
    text = as_dialogue(read)
    start = text.index("五万")
    (box,) = transcribe(read).boxes(start, start + 2)
    line = read.lines[0].box
    assert line.x + line.w * 0.2 < box.x < box.right < line.x + line.w * 0.65
    assert (box.y, box.h) == (line.y, line.h)
    over = transcribe(read).boxes(text.index("过去"), text.index("手续") + 2)
    assert [b.y for b in over] == [line.box.y for line in read.lines]
    assert transcribe(read).boxes(0, 2) == ()  # the name was put there by us


LINES = st.lists(
    st.builds(
        Line,
        st.text(alphabet="转账给我12AB，：+ ", min_size=1, max_size=12).filter(str.strip),
        st.builds(
            Box, st.integers(0, 900), st.integers(0, 1900), st.integers(1, 400), st.integers(5, 90)
        ),
        st.just(0.9),
        st.none()
        | st.builds(
            Box, st.integers(0, 900), st.integers(0, 1900), st.integers(1, 999), st.integers(5, 999)
        ),
    ),
    max_size=14,
)


@given(LINES)
def test_every_span_is_the_very_text(lines: list[Line]) -> None:
    """Whatever stands where: nothing raises, and each span's text is its line's."""
    read = Reading(WIDTH, HEIGHT, tuple(lines))
    said = transcribe(read)
    for span in said.spans:
        assert said.text[span.start : span.end] == span.line.text[span.first : span.last]
    for secret in find_secrets(read):
        assert 0 <= secret.box.x <= secret.box.right <= WIDTH
        assert 0 <= secret.box.y <= secret.box.bottom <= HEIGHT


@given(LINES)
def test_a_reading_comes_back_from_json(lines: list[Line]) -> None:
    read = Reading(WIDTH, HEIGHT, tuple(lines))
    assert restore(orjson.loads(orjson.dumps(read))) == read


# --- secrets -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "good"),
    [
        (ID_NUMBER, True),
        (ID_NUMBER[:-1] + "8", False),
        ("110101 19000101 0006", True),
        ("110101190013010006", False),
    ],
)
def test_identity_numbers(number: str, good: bool) -> None:
    assert is_id_number(number) is good


@given(st.integers(10**16, 10**17 - 1))
def test_one_wrong_digit_is_no_identity_number(stem: int) -> None:
    digits = f"{str(stem)[:6]}19900307{str(stem)[-3:]}"
    good = [end for end in "0123456789X" if is_id_number(digits + end)]
    assert len(good) == 1


def test_bank_card_numbers() -> None:
    assert is_card_number(CARD)
    assert not is_card_number(CARD[:-1] + "1")
    assert not is_card_number("0")


def kinds(secrets: tuple[Secret, ...]) -> list[SecretKind]:
    return [secret.kind for secret in secrets]


def test_an_identity_number_in_a_bubble_is_hidden_and_the_rest_is_not() -> None:
    line = bubble("left", 350, f"我的身份证{ID_NUMBER}收好", h=40)
    (secret,) = find_secrets(reading(line))
    assert secret.kind is SecretKind.ID_NUMBER
    assert secret.box.x > line[0].box.x + 3 * 30
    assert secret.box.right < line[0].box.right


def test_an_identity_number_that_ran_over_is_hidden_in_both_lines() -> None:
    lines = bubble("left", 350, f"证件号{ID_NUMBER[:11]}", f"{ID_NUMBER[11:]}谢谢", h=40)
    assert [s.box.y > lines[1].box.y - 10 for s in find_secrets(reading(lines))] == [False, True]


@pytest.mark.parametrize(
    "texts",
    [
        (f"打到 {CARD}", "户名张某某"),
        (CARD,),
        ("中国银行", CARD, "张某某"),
        ("开户行：建设银行 借记卡", CARD),
    ],
)
def test_an_account_in_a_bubble_stays_readable(texts: tuple[str, ...]) -> None:
    assert find_secrets(reading(bubble("left", 350, *texts, h=40))) == ()


def photo(*lines: tuple[str, int, int, int]) -> Reading:
    return Reading(1000, 640, tuple(Line(t, Box(x, y, wide(t, h), h), 0.9) for t, x, y, h in lines))


def test_a_bank_card_is_hidden() -> None:
    read = photo(
        ("某某银行 借记卡", 80, 60, 50),
        (CARD, 120, 330, 60),
        ("VALID THRU 08/31", 300, 430, 30),
        ("ZHANG MOU", 120, 500, 40),
        ("UnionPay", 760, 520, 40),
    )
    secrets = find_secrets(read)
    assert set(kinds(secrets)) == {SecretKind.BANK_CARD}
    hidden = [
        line.text for line in read.lines if any(s.box.holds(*line.box.centre) for s in secrets)
    ]
    assert hidden == [CARD, "VALID THRU 08/31", "ZHANG MOU"]


def test_a_receipt_is_no_card() -> None:
    read = photo(("某某银行 转账回单", 80, 60, 50), ("收款账号", 80, 330, 40), (CARD, 300, 330, 40))
    assert find_secrets(read) == ()


def test_an_identity_card_keeps_only_its_labels() -> None:
    read = photo(
        ("姓名张某某", 80, 60, 40),
        ("性别女 民族汉", 80, 140, 36),
        ("出生1900年1月1日", 80, 210, 36),
        ("住址某省某县某镇某路", 80, 290, 36),
        ("12号3幢", 160, 340, 36),
        (f"公民身份号码 {ID_NUMBER[:-1]}8", 80, 540, 44),  # misread: still a card
    )
    secrets = find_secrets(read)
    for line in read.lines:
        value = line.part(len(line.text) - 2, len(line.text))
        assert any(s.box.holds(*value.centre) for s in secrets), line.text
    assert not any(s.box.holds(*read.lines[0].part(0, 2).centre) for s in secrets)
    portrait = max(secrets, key=lambda s: s.box.w * s.box.h).box
    number = read.lines[-1].box
    assert portrait.x > number.x + number.w * 0.5
    assert portrait.bottom <= number.y + number.h * 0.3


def test_a_form_is_no_card() -> None:
    texts = ("姓名：张某", "性别：女", "民族：汉", "住址：某镇")
    assert find_secrets(reading(bubble("left", 350, *texts, h=40))) == ()


def test_numbers_are_not_found_inside_longer_ones() -> None:
    assert not re.search(r"\d{18}", CARD)
    line = page(f"9{ID_NUMBER}9", 100, 300)
    assert find_secrets(reading(line)) == ()
