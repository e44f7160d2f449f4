"""What officers see: the picture encoded anew, without its notes, its cards and numbers blurred."""

import io
from collections.abc import Sequence

from PIL import Image, ImageFilter

from jingxiaowei.pipeline.cards import Secret, find_secrets
from jingxiaowei.pipeline.reading import Reading
from jingxiaowei.services.reading_picture import decode

SHOWN_TYPE = "image/jpeg"
_QUALITY = 88


def blur(data: bytes, reading: Reading) -> bytes:
    """The picture (JPEG) with what :func:`find_secrets` finds made unreadable.

    Raises:
        PictureRefusedError: the bytes are no picture that may be decoded.
    """
    return encode(hide(decode(data), find_secrets(reading)))


def hide(picture: Image.Image, secrets: Sequence[Secret]) -> Image.Image:
    """The picture with some places made unreadable; itself, where there are none.

    A blur of letters can be undone by trying letters. So a place is first brought down to a few
    averages, each over several characters, and only then made smooth again.
    """
    if not secrets:
        return picture
    hidden = picture.copy()
    for secret in secrets:
        box = secret.box
        left, top = max(0, box.x), max(0, box.y)
        right, bottom = min(hidden.width, box.right), min(hidden.height, box.bottom)
        if right <= left or bottom <= top:
            continue
        place = hidden.crop((left, top, right, bottom))
        short = max(1, min(place.size))
        few = max(1, place.width // (3 * short)), max(1, place.height // (3 * short))
        averages = place.resize(few, Image.Resampling.BOX)
        smooth = averages.resize(place.size, Image.Resampling.BICUBIC)
        hidden.paste(smooth.filter(ImageFilter.GaussianBlur(short / 4)), (left, top))
    return hidden


def encode(picture: Image.Image) -> bytes:
    """As JPEG, without notes, letters kept sharp."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, subsampling=0)
    return out.getvalue()
