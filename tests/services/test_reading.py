"""Pictures are read in a process of their own, within bounds, and reported once."""

import asyncio
import contextlib
import io
import os
import re
import signal
import struct
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from PIL import Image, ImageDraw, PngImagePlugin

from jingxiaowei.pipeline.reading import Reading, Refusal
from jingxiaowei.pipeline.transcript import as_dialogue, transcribe
from jingxiaowei.services.reading import Reader, UnreadError, read_file
from jingxiaowei.services.reading_blur import blur
from jingxiaowei.services.reading_picture import (
    PICTURE_BYTES,
    PictureRefusedError,
    decode,
    inspect,
)
from tests.conftest import ROOT
from tests.pictures import STYLES, Chat, chinese_font, draw_chat, draw_lines, saved

# One process for all the tests that need only one, so one loop: it hangs on the loop.
one_loop = pytest.mark.asyncio(loop_scope="module")
ID_NUMBER = "110101190001010006"  # nobody's
ORDER = Chat(
    [
        ("Boss", "pay 268000 now"),
        ("me", "which account"),
        ("Boss", "6222 0000 1111"),
    ],
    title="Finance(3)",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader() -> AsyncIterator[Reader]:
    """One reader for the module: starting takes two seconds."""
    reader = Reader()
    yield reader
    await reader.close()


def screenshot() -> bytes:
    return saved(draw_chat(ORDER, STYLES["wechat"], 720))


# --- bounds --------------------------------------------------------------------------------


def broken_png() -> bytes:
    return saved(Image.effect_noise((300, 300), 80))[:4000]


def claimed_png(width: int, height: int) -> bytes:
    """A few bytes that say they are so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", Refusal.NOT_A_PICTURE),
        (b"%PDF-1.7 not a picture", Refusal.NOT_A_PICTURE),
        (b"MZ" + b"\0" * 500, Refusal.NOT_A_PICTURE),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", Refusal.NOT_A_PICTURE),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * PICTURE_BYTES, Refusal.TOO_LARGE),
        (b"\x89PNG\r\n\x1a\n", Refusal.BROKEN),
        (b"\xff\xd8\xff\xe0" + b"\0" * 40, Refusal.BROKEN),
        (claimed_png(5001, 5000), Refusal.TOO_MANY_PIXELS),
        (claimed_png(100_000, 100_000), Refusal.TOO_MANY_PIXELS),
    ],
)
def test_what_is_no_picture_is_refused_undecoded(data: bytes, why: Refusal) -> None:
    with pytest.raises(PictureRefusedError) as refused:
        inspect(data)
    assert refused.value.refusal is why


@pytest.mark.parametrize("data", [broken_png(), claimed_png(4000, 4000)])
@one_loop
async def test_a_cut_off_picture_is_refused(reader: Reader, data: bytes) -> None:
    inspect(data)  # its header is fine
    with pytest.raises(PictureRefusedError) as refused:
        await reader.read(data)
    assert refused.value.refusal is Refusal.BROKEN


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_the_formats(form: str) -> None:
    assert decode(saved(Image.new("RGB", (40, 30), "red"), form)).size == (40, 30)


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    moving = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    red, _green, blue = decode(moving).getpixel((10, 10))
    assert red > 200
    assert blue < 60


def test_a_picture_is_turned_by_its_note_and_loses_it() -> None:
    notes = Image.Exif()
    notes[0x0112] = 6  # a quarter turn
    notes[0x010F] = "a camera"
    turned = decode(saved(Image.new("RGB", (40, 30)), "JPEG", exif=notes))
    assert turned.size == (30, 40)
    assert b"a camera" not in blur(saved(Image.new("RGB", (40, 30)), "JPEG", exif=notes), nothing())


def test_text_notes_are_gone() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "taken at home")
    again = blur(saved(Image.new("RGB", (40, 30)), pnginfo=notes), nothing())
    assert b"taken at home" not in again
    assert Image.open(io.BytesIO(again)).format == "JPEG"


def test_clear_parts_become_white() -> None:
    picture = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert decode(saved(picture)).getpixel((5, 5)) == (255, 255, 255)


def nothing() -> Reading:
    return Reading(30, 40)


# --- the process ---------------------------------------------------------------------------


@one_loop
async def test_a_screenshot_is_read(reader: Reader) -> None:
    reading = await reader.read(screenshot())
    assert (reading.width, reading.height) == decode(screenshot()).size
    said = as_dialogue(reading)
    assert "Finance(3)" in said
    assert "Boss：pay 268000 now" in said
    assert "我：which account" in said
    place = said.index("268000")
    (box,) = transcribe(reading).boxes(place, place + 6)
    assert box.x > 100
    assert box.right < reading.width * 0.75


@one_loop
async def test_a_picture_without_text(reader: Reader) -> None:
    assert await reader.read(saved(Image.new("RGB", (400, 800), "#335577"))) == Reading(400, 800)


@one_loop
async def test_a_tiny_picture(reader: Reader) -> None:
    assert (await reader.read(saved(Image.new("RGB", (1, 1))))).lines == ()


@one_loop
async def test_a_scrolled_screenshot_is_read_in_pieces(reader: Reader) -> None:
    said = [("Boss", f"line number {number} of many") for number in range(100, 130)]
    reading = await reader.read(saved(draw_chat(Chat(said, "Long"), STYLES["wecom"], 720)))
    lines = as_dialogue(reading).splitlines()
    assert [line for line in lines if "number" in line] == [f"Boss：{text}" for _, text in said]


@one_loop
async def test_the_process_is_restarted_when_it_dies(reader: Reader) -> None:
    await reader.warm()
    first = reader.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with contextlib.suppress(UnreadError):  # it may be asked before its end is noticed
        await reader.read(screenshot())
    assert "268000" in as_dialogue(await reader.read(screenshot()))
    assert reader.pid != first


@one_loop
async def test_many_wait_in_a_row_and_one_too_many_is_turned_away() -> None:
    reader = Reader(waiting=2)
    try:
        asked = [reader.read(screenshot()) for _ in range(3)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Reading, Reading, UnreadError]
    finally:
        await reader.close()


SLOW = "import sys,time; sys.stdout.buffer.write(b'\\0'*3+b'\\2{}'+b'\\0'*4); "
SLOW += "sys.stdout.flush(); time.sleep(600)"


@one_loop
async def test_a_picture_that_takes_too_long_is_given_up() -> None:
    reader = Reader(seconds=0.3, process=(sys.executable, "-c", SLOW))
    await reader.warm()
    stuck = reader.pid
    assert stuck is not None
    with pytest.raises(UnreadError, match="seconds"):
        await reader.read(screenshot())
    assert reader.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(stuck, 0)


@one_loop
async def test_a_process_that_does_not_start() -> None:
    reader = Reader(process=(sys.executable, "-c", "raise SystemExit(3)"))
    await reader.warm()
    with pytest.raises(UnreadError, match="start"):
        await reader.read(screenshot())
    missing = Reader(process=("/nowhere/python",))
    with pytest.raises(UnreadError, match="start"):
        await missing.read(screenshot())


@one_loop
async def test_who_gives_up_waiting_leaves_no_answer_behind(reader: Reader) -> None:
    await reader.warm()
    impatient = asyncio.create_task(reader.read(screenshot()))
    await asyncio.sleep(0.05)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    other = await reader.read(saved(draw_lines([("another 4711", 60, 80, 40)])))
    assert [line.text for line in other.lines] == ["another 4711"]


@one_loop
async def test_the_process_does_not_outlive_its_parent() -> None:
    program = """
import asyncio
from jingxiaowei.services.reading import Reader
async def main():
    reader = Reader()
    await reader.warm()
    print(reader.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.communicate()
    for _ in range(100):
        if not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie":
            return
        await asyncio.sleep(0.05)
    pytest.fail("the reading process is still there")


@one_loop
async def test_the_process_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JXW_SECRET_KEY", "only for us")
    reader = Reader()
    try:
        await reader.warm()
        environment = psutil.Process(reader.pid).environ()
        assert "PATH" in environment
        assert "JXW_SECRET_KEY" not in environment
    finally:
        await reader.close()


def test_reading_needs_no_network(tmp_path: Path) -> None:
    """No socket is opened from loading the models to the answer."""
    program = """
import socket, sys
def refuse(*args, **more):
    raise SystemExit("a socket was asked for")
socket.socket.connect = socket.getaddrinfo = refuse
from pathlib import Path
from jingxiaowei.services.reading import read_file
print(" ".join(line.text for line in read_file(Path(sys.argv[1])).lines))
"""
    picture = tmp_path / "call.png"
    picture.write_bytes(saved(draw_lines([("call 96110", 60, 80, 40)])))
    command = [sys.executable, "-c", program, str(picture)]
    out = subprocess.run(command, capture_output=True, check=True, text=True, cwd=ROOT)
    assert "96110" in out.stdout


def test_a_file_for_commands(tmp_path: Path) -> None:
    path = tmp_path / "shot.png"
    path.write_bytes(screenshot())
    assert "pay 268000 now" in as_dialogue(read_file(path))
    with pytest.raises(UnreadError, match="opened"):
        read_file(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(PictureRefusedError):
        read_file(tmp_path / "text.png")


# --- what is not to be seen ----------------------------------------------------------------


@one_loop
async def test_an_identity_number_cannot_be_read_any_more(reader: Reader) -> None:
    lines = [("before 4711", 60, 60, 40), (ID_NUMBER, 60, 200, 44), ("after 0815", 60, 340, 40)]
    examined = await reader.examine(saved(draw_lines(lines)))
    assert examined.hidden == 1
    again = await reader.read(examined.shown)
    texts = [line.text for line in again.lines]
    assert texts[0] == "before 4711"
    assert texts[-1] == "after 0815"
    assert not any(len(digits) > 4 for text in texts for digits in re.findall(r"\d+", text))


@one_loop
async def test_what_is_shown_has_the_same_places(reader: Reader) -> None:
    data = saved(draw_lines([("before 4711", 60, 60, 40)], (900, 1700)))
    examined = await reader.examine(data)
    assert (examined.hidden, decode(examined.shown).size) == (0, (900, 1700))


needs_chinese = pytest.mark.skipif(
    chinese_font() is None and not os.environ.get("JXW_REQUIRE_BROWSER"),  # CI skips nothing
    reason="no Chinese font here: apt-get install fonts-noto-cjk",
)


@needs_chinese
@one_loop
@pytest.mark.parametrize("style", STYLES)
async def test_chats_of_every_app(reader: Reader, style: str) -> None:
    chat = Chat(
        [
            ("", "昨天 09:12"),
            ("赵总", "小陈，账上现在还有多少钱，截图发我看一下"),
            ("我", "赵总，基本户83.6万"),
            ("赵总", "先付38万保证金，手续回来补"),
            ("我", "好的"),
        ],
        "高层沟通群(4)",
    )
    picture = saved(draw_chat(chat, STYLES[style], 720), "JPEG", quality=70)
    said = as_dialogue(await reader.read(picture)).replace(" ", "").splitlines()
    assert said == [
        "高层沟通群(4)",
        "昨天09:12",
        "赵总：小陈，账上现在还有多少钱，截图发我看一下",
        "我：赵总，基本户83.6万",
        "赵总：先付38万保证金，手续回来补",
        "我：好的",
    ]


@needs_chinese
@one_loop
async def test_an_identity_card_is_blurred(reader: Reader) -> None:
    lines = [
        ("姓名  张某某", 70, 70, 36),
        ("性别  女  民族  汉", 70, 140, 32),
        ("出生  1900 年 1 月 1 日", 70, 210, 32),
        ("住址  某省某县某镇某路", 70, 290, 32),
        ("12号3幢101室", 150, 335, 32),
        (f"公民身份号码  {ID_NUMBER}", 70, 490, 38),
    ]
    card = draw_lines(lines, (860, 560), "#e8f0f4", "#223344")
    ImageDraw.Draw(card).ellipse((610, 100, 790, 420), fill="#a07050")
    examined = await reader.examine(saved(card, "JPEG"))
    again = " ".join(line.text for line in (await reader.read(examined.shown)).lines)
    assert "姓名" in again
    for secret in ("张某某", "某镇", "101", "1900", ID_NUMBER[:6]):
        assert secret not in again
    middle = decode(examined.shown).crop((660, 200, 740, 300)).getcolors(8000)
    assert middle is not None
    assert all(max(colour) - min(colour) < 90 for _, colour in middle)  # no face any more
