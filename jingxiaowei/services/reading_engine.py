"""The eye: RapidOCR with the settings that were measured, and the areas that lines stand on.

Runs in the reader's own process (:mod:`jingxiaowei.services.reading_process`), for it takes both
cores for about a second and some hundred megabytes. The models lie inside RapidOCR's wheel.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from jingxiaowei.pipeline.reading import Box, Line, Reading

Pixels = NDArray[np.uint8]

# Measured on chat screenshots: larger costs time and reads no better.
_LONG_SIDE = 1600
# A scrolled screenshot is as tall as its conversation: it is read in pieces of a page's height,
# at a page's width, each piece overlapping the next by more than a line on either side.
_PAGE_WIDTH, _PAGE, _OVERLAP = 720, 1440, 160
_TALL = 2.6
# The finder of lines sees less than the reader: phones write large, desktops small.
_FIND_TALL, _FIND_WIDE = 960, 1600
_SURE = 0.6
_THREADS = 2


def available() -> bool:
    """Whether the extra ``ocr`` is installed."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


class Eye:
    """Reads decoded pictures. Loading takes a second."""

    def __init__(self) -> None:
        from rapidocr import RapidOCR

        self._engine = RapidOCR(
            params={
                "Global.use_cls": False,  # screenshots stand upright
                "Global.log_level": "error",
                "Global.text_score": _SURE,
                "Global.max_side_len": 2000,
                "Det.limit_type": "max",
                "Det.limit_side_len": _FIND_TALL,
                "Rec.rec_batch_num": 1,  # a batch is as wide as its longest line
                "EngineConfig.onnxruntime.intra_op_num_threads": min(_THREADS, os.cpu_count() or 1),
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def read(self, picture: Image.Image) -> Reading:
        """The picture's lines, from top to bottom."""
        width, height = picture.size
        scrolled = height > width * _TALL
        scale = min(1.0, _PAGE_WIDTH / width if scrolled else _LONG_SIDE / max(width, height))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = picture if scale == 1.0 else picture.resize(size, Image.Resampling.LANCZOS)
        pixels: Pixels = np.asarray(small)
        pages = _pages(size[1]) if scrolled else [(0, size[1], -_ENDLESS, _ENDLESS)]
        lines: list[Line] = []
        for top, bottom, first, last in pages:
            for line in self._read_page(pixels[top:bottom]):
                moved = replace(line, box=replace(line.box, y=line.box.y + top))
                if first <= moved.box.centre[1] < last:
                    lines.append(moved)
        lines.sort(key=lambda line: (line.box.centre[1], line.box.x))
        back = width / size[0], height / size[1]
        return Reading(
            width,
            height,
            tuple(
                Line(
                    line.text,
                    _scaled(line.box, back),
                    line.confidence,
                    _scaled(area, back) if (area := panel(pixels, line.box)) else None,
                )
                for line in lines
            ),
        )

    def _read_page(self, pixels: Pixels) -> list[Line]:
        tall = pixels.shape[0] > pixels.shape[1]
        find = getattr(self._engine, "text_det", None)
        if find is not None:  # not yet, before the first picture, which is the warming one
            find.limit_side_len = _FIND_TALL if tall else _FIND_WIDE
        found: Any = self._engine(np.ascontiguousarray(pixels[:, :, ::-1]))
        if found.boxes is None:
            return []
        lines = []
        for corners, text, score in zip(found.boxes, found.txts, found.scores, strict=True):
            (x, y), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
            box = Box(int(x), int(y), max(1, int(right - x)), max(1, int(bottom - y)))
            lines.append(Line(text.strip(), box, round(float(score), 3)))
        return [line for line in lines if line.text]


_ENDLESS = float("inf")


def _pages(height: int) -> Iterator[tuple[int, int, float, float]]:
    """Pieces of a scrolled screenshot: where each begins and ends, and which lines are its own."""
    top = 0
    while True:
        bottom = min(height, top + _PAGE)
        first = top + _OVERLAP / 2 if top else -_ENDLESS
        last = bottom - _OVERLAP / 2 if bottom < height else _ENDLESS
        yield top, bottom, first, last
        if bottom == height:
            return
        top = bottom - _OVERLAP


def _scaled(box: Box, by: tuple[float, float]) -> Box:
    return Box(
        round(box.x * by[0]),
        round(box.y * by[1]),
        max(1, round(box.w * by[0])),
        max(1, round(box.h * by[1])),
    )


# How far a pixel may be from the ground's colour, how much of a row or column must be ground, and
# how many pixels of it are looked at.
_NEAR, _MOSTLY, _SAMPLES = 8, 0.4, 24


def panel(pixels: Pixels, box: Box) -> Box | None:
    """The plain area around a line: from its box outwards as far as the ground's colour goes."""
    height, width = pixels.shape[:2]
    x, y = max(0, box.x), max(0, box.y)
    right, bottom = min(width, box.right), min(height, box.bottom)
    if right <= x or bottom <= y:
        return None
    ground = _ground(pixels[y:bottom, x:right])
    if ground is None:
        return None
    rows = _plain(pixels[:, x:right], ground, axis=1)
    top, low = _reach(rows, y, -1), _reach(rows, bottom - 1, 1)
    # Beside the words a sign or picture may stand on the same card: above and below it the card
    # is seen as wide as it is.
    left, far = x, right - 1
    for first, last in ((y, bottom), (top + 2, y), (bottom, low - 1)):
        if last - first > 2:
            columns = _plain(pixels[first:last], ground, axis=0)
            left = min(left, _reach(columns, x, -1))
            far = max(far, _reach(columns, right - 1, 1))
    return Box(left, top, far - left + 1, low - top + 1)


def _ground(inside: Pixels) -> NDArray[np.int16] | None:
    """The commonest colour along a line's edge, where there are few strokes, if there is one."""
    edge = max(1, inside.shape[0] // 8)
    sides = inside[:edge], inside[-edge:], inside[:, :edge], inside[:, -edge:]
    rim = np.concatenate([side.reshape(-1, 3) for side in sides])
    best, share = rim[:0], 0
    for offset in (0, 8):  # a colour on the border of two bins lies inside one of shifted ones
        coarse = (rim.astype(np.int32) + offset) >> 4
        key = (coarse[:, 0] << 10) | (coarse[:, 1] << 5) | coarse[:, 2]
        values, counts = np.unique(key, return_counts=True)
        if counts.max() > share:
            share = int(counts.max())
            best = rim[key == values[counts.argmax()]]
    if share < len(rim) * 0.3:
        return None
    colour: NDArray[np.int16] = np.median(best, axis=0).astype(np.int16)
    return colour


def _plain(pixels: Pixels, ground: NDArray[np.int16], axis: int) -> Sequence[bool]:
    """For each column (axis 0) or row (axis 1): whether it is mostly ground."""
    step = max(1, pixels.shape[axis] // _SAMPLES)
    some = pixels[::step] if axis == 0 else pixels[:, ::step]
    near = np.abs(some.astype(np.int16) - ground).max(axis=2) <= _NEAR
    plain: list[bool] = (near.mean(axis=axis) >= _MOSTLY).tolist()
    return plain


def _reach(plain: Sequence[bool], start: int, step: int) -> int:
    """How far it stays plain from a place; one stray row or column does not end it."""
    at = reached = start
    missed = 0
    while 0 <= at + step < len(plain) and missed < 2:
        at += step
        if plain[at]:
            reached, missed = at, 0
        else:
            missed += 1
    return reached
