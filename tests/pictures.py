"""Pictures that tests and benchmarks draw for themselves: chat screenshots and cards.

Chinese is drawn where the machine has a Chinese font; every test that needs none uses Pillow's
own, with Latin letters and digits.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_CHINESE = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
)
Colour = str | tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def chinese_font() -> str | None:
    """A Chinese font of this machine."""
    return next((path for path in _CHINESE if Path(path).exists()), None)


@cache
def font(size: int) -> Font:
    path = chinese_font()
    return ImageFont.truetype(path, size, index=2) if path else ImageFont.load_default(size)


@dataclass(frozen=True)
class Style:
    """An app's looks. Lengths are in hundredths of the picture's width."""

    page: Colour
    bar: Colour
    ink: Colour
    faint: Colour
    other: Colour
    other_ink: Colour
    own: Colour
    own_ink: Colour
    centred_title: bool = True
    round_portrait: bool = False
    radius: float = 1.2
    portrait: float = 10.0
    margin: float = 3.0
    widest: float = 62.0
    badge: str = ""


STYLES = {
    "wechat": Style(
        "#ededed", "#ededed", "#191919", "#9a9a9a", "#ffffff", "#191919", "#95ec69", "#191919"
    ),
    "wechat-dark": Style(
        "#111111", "#111111", "#d5d5d5", "#6b6b6b", "#2c2c2c", "#d5d5d5", "#3eb575", "#08180f"
    ),
    "qq": Style(
        "#f1f2f6",
        "#12b7f5",
        "#ffffff",
        "#93969f",
        "#ffffff",
        "#1a1c1e",
        "#12b7f5",
        "#ffffff",
        centred_title=False,
        round_portrait=True,
        radius=3.0,
        badge="群主",
    ),
    "wecom": Style(
        "#e8ecf1", "#f7f8fa", "#14171c", "#8a929e", "#ffffff", "#14171c", "#c9e6ff", "#14171c"
    ),
    "dingtalk": Style(
        "#eff1f4",
        "#ffffff",
        "#171a1d",
        "#8a9099",
        "#ffffff",
        "#171a1d",
        "#cfe4ff",
        "#171a1d",
        radius=1.6,
    ),
    "feishu": Style(
        "#ffffff",
        "#ffffff",
        "#1f2329",
        "#8f959e",
        "#f2f3f5",
        "#1f2329",
        "#d1e3ff",
        "#1f2329",
        centred_title=False,
        round_portrait=True,
        radius=2.0,
        portrait=9.0,
    ),
    "feishu-dark": Style(
        "#171717",
        "#1f1f1f",
        "#ebebeb",
        "#757575",
        "#2b2b2b",
        "#ebebeb",
        "#253c63",
        "#ebebeb",
        centred_title=False,
        round_portrait=True,
        radius=2.0,
        portrait=9.0,
    ),
}


@dataclass(frozen=True)
class Chat:
    """What stands on a screenshot: ``(speaker, text)``, ``我`` or ``me`` at the right side, an
    empty speaker in the middle."""

    said: Sequence[tuple[str, str]]
    title: str = ""
    names: bool = True
    status: bool = True
    own: Sequence[str] = field(default=("我", "me"))


def draw_chat(
    chat: Chat, style: Style, width: int = 1080, height: int | None = None
) -> Image.Image:
    """A chat screenshot; as tall as the conversation needs, or cut at ``height``."""
    unit = width / 100
    picture = Image.new("RGB", (width, round(width * 8)), style.page)
    draw = ImageDraw.Draw(picture)
    y = 0.0
    if chat.status:
        draw.rectangle((0, 0, width, 8 * unit), fill=style.bar)
        draw.text((4 * unit, 2.4 * unit), "11:05", font=font(round(3.4 * unit)), fill=style.ink)
        draw.text((80 * unit, 2.4 * unit), "5G 82%", font=font(round(3.4 * unit)), fill=style.ink)
        y = 8 * unit
    if chat.title:
        draw.rectangle((0, y, width, y + 12 * unit), fill=style.bar)
        size = font(round(4.2 * unit))
        draw.text((2.5 * unit, y + 3 * unit), "<", font=font(round(5 * unit)), fill=style.ink)
        long = draw.textlength(chat.title, font=size)
        x = (width - long) / 2 if style.centred_title else 8 * unit
        draw.text((x, y + 3.4 * unit), chat.title, font=size, fill=style.ink)
        y += 12 * unit
    y += 4 * unit
    for speaker, text in chat.said:
        y = _draw_said(draw, chat, style, unit, y, speaker, text) + 3.2 * unit
    y += 2 * unit
    draw.rectangle((0, y, width, y + 14 * unit), fill=style.bar)
    draw.rounded_rectangle(
        (12 * unit, y + 3 * unit, 78 * unit, y + 11 * unit), unit, fill=style.page
    )
    return picture.crop((0, 0, width, height or round(y + 14 * unit)))


def _draw_said(
    draw: ImageDraw.ImageDraw,
    chat: Chat,
    style: Style,
    unit: float,
    y: float,
    speaker: str,
    text: str,
) -> float:
    """One bubble or notice; where the next begins."""
    if not speaker:
        small = font(round(3.1 * unit))
        long = draw.textlength(text, font=small)
        draw.text((50 * unit - long / 2, y), text, font=small, fill=style.faint)
        return y + 5 * unit
    own = speaker in chat.own
    left = style.margin * unit
    x0 = (100 - style.margin - style.portrait) * unit if own else left
    place = (x0, y, x0 + style.portrait * unit, y + style.portrait * unit)
    colour = "#7f9fb8" if own else "#c08a5a"
    if style.round_portrait:
        draw.ellipse(place, fill=colour)
    else:
        draw.rounded_rectangle(place, unit, fill=colour)
    text_size = 4.2 * unit
    letters, pad, lead = font(round(text_size)), 2.9 * unit, 5.7 * unit
    rows = list(_wrapped(draw, text, letters, style.widest * unit - 2 * pad))
    wide = max(draw.textlength(row, font=letters) for row in rows) + 2 * pad
    gap = (style.margin + style.portrait + 2.4) * unit
    if chat.names and not own:
        small = font(round(3.0 * unit))
        draw.text((gap, y - 0.8 * unit), speaker, font=small, fill=style.faint)
        if style.badge:
            at = gap + draw.textlength(speaker, font=small) + 1.4 * unit
            mark = font(round(2.5 * unit))
            edge = at + draw.textlength(style.badge, font=mark) + 1.6 * unit
            draw.rounded_rectangle((at, y - 0.8 * unit, edge, y + 3 * unit), 4, fill="#f2ae3d")
            draw.text((at + 0.8 * unit, y - 0.5 * unit), style.badge, font=mark, fill="white")
        y += 4.2 * unit
    x = 100 * unit - gap - wide if own else gap
    tall = len(rows) * lead + 2 * pad - (lead - text_size)
    fill, ink = (style.own, style.own_ink) if own else (style.other, style.other_ink)
    draw.rounded_rectangle((x, y, x + wide, y + tall), style.radius * unit, fill=fill)
    for number, row in enumerate(rows):
        draw.text((x + pad, y + pad - 0.6 * unit + number * lead), row, font=letters, fill=ink)
    return max(y + tall, place[3])


def _wrapped(draw: ImageDraw.ImageDraw, text: str, letters: Font, wide: float) -> Iterator[str]:
    row = ""
    for character in text:
        if row and draw.textlength(row + character, font=letters) > wide:
            yield row
            row = ""
        row += character
    yield row


def saved(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def draw_lines(
    lines: Sequence[tuple[str, int, int, int]],
    size: tuple[int, int] = (900, 600),
    page: Colour = "white",
    ink: Colour = "black",
) -> Image.Image:
    """Plain text at places: ``(text, x, y, size)``."""
    picture = Image.new("RGB", size, page)
    draw = ImageDraw.Draw(picture)
    for text, x, y, letters in lines:
        draw.text((x, y), text, font=font(letters), fill=ink)
    return picture
