"""Pictures within bounds: looked at by their first bytes and their header before any decoding."""

import io
import warnings

import filetype  # type: ignore[import-untyped]  # 1.2 ships no types
from PIL import Image, ImageOps

from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.reading import Refusal

PICTURE_BYTES = 5 * 1024 * 1024
PICTURE_PIXELS = 25_000_000
_FORMATS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/gif": "GIF",
    "image/bmp": "BMP",
}
# What Pillow's decoders are known to raise on bytes that are not what they seem.
_UNDECODABLE = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError)
_WHY = {
    Refusal.NOT_A_PICTURE: "not a PNG, JPEG, WebP, GIF or BMP picture",
    Refusal.TOO_LARGE: f"more than {PICTURE_BYTES // 1024 // 1024} MB",
    Refusal.TOO_MANY_PIXELS: f"more than {PICTURE_PIXELS // 1_000_000} million pixels",
    Refusal.BROKEN: "cut off or damaged",
}


class PictureRefusedError(JingxiaoweiError):
    """The bytes are no picture that is read here; ``refusal`` says why, and it stays so."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"the picture is not read: {_WHY[refusal]}")
        self.refusal = refusal


def inspect(data: bytes) -> str:
    """The picture's format, by its first bytes; nothing is decoded.

    Raises:
        PictureRefusedError: it is not one that may be decoded.
    """
    if len(data) > PICTURE_BYTES:
        raise PictureRefusedError(Refusal.TOO_LARGE)
    kind = filetype.guess(data)
    name = _FORMATS.get(str(kind.mime)) if kind else None
    if name is None:
        raise PictureRefusedError(Refusal.NOT_A_PICTURE)
    with _open(data, name):
        return name


def decode(data: bytes) -> Image.Image:
    """The picture (of an animation the first frame) upright, in RGB, without its notes.

    Raises:
        PictureRefusedError: it is not one that may be decoded, or it cannot be.
    """
    name = inspect(data)
    with _open(data, name) as picture:
        try:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
                clear = upright.convert("RGBA")
                upright = Image.new("RGBA", clear.size, "white")
                upright.alpha_composite(clear)
            plain = upright.convert("RGB")
        except _UNDECODABLE:
            raise PictureRefusedError(Refusal.BROKEN) from None
    plain.info.clear()  # what stands there is written out again on saving
    return plain


def _open(data: bytes, name: str) -> Image.Image:
    """The picture by its header, its size checked."""
    try:
        with warnings.catch_warnings():
            # Our own bound is checked below; a warning must not become the refusal's reason.
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data), formats=[name])
    except Image.DecompressionBombError:
        raise PictureRefusedError(Refusal.TOO_MANY_PIXELS) from None
    except _UNDECODABLE:
        raise PictureRefusedError(Refusal.BROKEN) from None
    if picture.width * picture.height > PICTURE_PIXELS:
        picture.close()
        raise PictureRefusedError(Refusal.TOO_MANY_PIXELS)
    return picture
