"""The reader's own process: pictures in on standard input, readings out on standard output.

``python -m jingxiaowei.services.reading_process``; nobody starts it by hand. Both ways go frames,
four bytes of length and that many bytes. An answer is two frames: JSON, and the picture as it may
be shown. It ends when its input ends, also in the middle of a picture: it never outlives the one
who started it.
"""

import os
import queue
import signal
import struct
import sys
import threading
from typing import BinaryIO

import orjson
from PIL import Image, ImageDraw

from jingxiaowei.pipeline.cards import find_secrets
from jingxiaowei.services.reading_blur import encode, hide
from jingxiaowei.services.reading_engine import Eye
from jingxiaowei.services.reading_picture import PictureRefusedError, decode

LENGTH = struct.Struct(">I")
# Reading waits for callbacks, never the other way round.
_NICE = 5


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent
    if hasattr(os, "nice"):
        os.nice(_NICE)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints is no answer
    pictures: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, pictures), daemon=True).start()
    eye = Eye()
    _warm(eye)
    _say(answers, b"{}", b"")
    while True:
        _say(answers, *answer(eye, pictures.get()))


def answer(eye: Eye, data: bytes) -> tuple[bytes, bytes]:
    """What was read as JSON, and the picture as it may be shown."""
    try:
        picture = decode(data)
    except PictureRefusedError as error:
        return orjson.dumps({"refusal": error.refusal}), b""
    reading = eye.read(picture)
    secrets = find_secrets(reading)
    shown = encode(hide(picture, secrets))
    return orjson.dumps({"reading": reading, "hidden": len(secrets)}), shown


def _warm(eye: Eye) -> None:
    """The first picture costs more than the others: it should not be a resident's."""
    picture = Image.new("RGB", (720, 1440), "white")
    ImageDraw.Draw(picture).text((40, 700), "96110", fill="black", font_size=40)
    eye.read(picture)


def _listen(source: BinaryIO, pictures: "queue.SimpleQueue[bytes]") -> None:
    while head := _take(source, LENGTH.size):
        data = _take(source, LENGTH.unpack(head)[0])
        if data is None:
            break
        pictures.put(data)
    os._exit(0)  # at once, whatever the other threads are at: nobody waits for an answer


def _take(source: BinaryIO, length: int) -> bytes | None:
    data = source.read(length)
    return data if len(data) == length else None


def _say(answers: BinaryIO, *frames: bytes) -> None:
    for frame in frames:
        answers.write(LENGTH.pack(len(frame)) + frame)
    answers.flush()


if __name__ == "__main__":
    main()
