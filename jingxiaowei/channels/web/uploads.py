"""What a browser sends, read within bounds: forms and pictures."""

import asyncio
import io
import warnings
from dataclasses import dataclass
from urllib.parse import parse_qsl

import filetype  # type: ignore[import-untyped]  # 1.2 ships no types
from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from jingxiaowei.channels.web.refusals import TOO_LONG, RefusedError

BODY_BYTES = 256 * 1024  # 10,000 Chinese characters take 90 KB in a form
PICTURE_BYTES = 5 * 1024 * 1024
PICTURE_PIXELS = 30_000_000
_FRAME_BYTES = 16 * 1024  # what multipart adds around a picture
_BODY_SECONDS, _PICTURE_SECONDS = 30, 120
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP", "image/gif": "GIF"}
_UNREADABLE = "没看懂发来的内容。请刷新页面再试。"


@dataclass(frozen=True, slots=True)
class Picture:
    data: bytes
    content_type: str
    message_id: str


async def read_body(request: web.Request) -> bytes:
    """The body, at most 256 KB of it.

    Raises:
        RefusedError: it is too long, comes too slowly, or is not packed as it says.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > BODY_BYTES:
                    raise RefusedError(413, TOO_LONG)
    except TimeoutError:
        raise RefusedError(408, "网太慢，没收全。您写的还在，请再试。") from None
    except (HttpProcessingError, RequestPayloadError):
        raise RefusedError(400, _UNREADABLE) from None
    return bytes(body)


def parse_form(body: bytes) -> dict[str, str]:
    """A form's fields.

    Raises:
        RefusedError: it is no form.
    """
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    except ValueError:
        raise RefusedError(400, _UNREADABLE) from None


async def read_picture(request: web.Request, broken: str) -> Picture:
    """The picture of a multipart form, checked without decoding it.

    Raises:
        RefusedError: no picture, too large a one, or one that cannot be opened (``broken``).
    """
    if request.content_type != "multipart/form-data":
        raise RefusedError(415, "发图请用页面上的“图片”按钮。")
    if request.content_length is None:
        raise RefusedError(411, _UNREADABLE)
    if request.content_length > PICTURE_BYTES + _FRAME_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(_PICTURE_SECONDS):
            data, message_id = await _parts(request)
    except TimeoutError:
        raise RefusedError(408, "网太慢，图没传完。请换个信号好的地方再发。") from None
    except (ValueError, HttpProcessingError, RequestPayloadError):
        raise RefusedError(400, _UNREADABLE) from None
    if not data:
        raise RefusedError(400, "还没选图片。请先选一张，再发。")
    return Picture(data, _check(data, broken), message_id)


async def _parts(request: web.Request) -> tuple[bytes, str]:
    data, message_id = bytearray(), ""
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise RefusedError(400, _UNREADABLE)
        if part.name == "message_id":
            message_id = (await part.read_chunk())[:64].decode(errors="replace")
        elif part.name == "image":
            while chunk := await part.read_chunk(64 * 1024):
                data += chunk
                if len(data) > PICTURE_BYTES:
                    raise _too_large()
    return bytes(data), message_id


def _too_large() -> RefusedError:
    return RefusedError(413, "这张图太大了。请截图再发，5 MB 以内。")


def _check(data: bytes, broken: str) -> str:
    """The picture's type, by its first bytes and by what its header says of its size."""
    kind = filetype.guess(data)
    content_type = str(kind.mime) if kind else ""
    if content_type not in _FORMATS:
        raise RefusedError(415, "只能发图片（JPG、PNG、WebP、GIF）。请截图再发，5 MB 以内。")
    from PIL import Image  # many a process never sees a picture

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[_FORMATS[content_type]]) as image:
                pixels = image.width * image.height
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        pixels = PICTURE_PIXELS + 1
    except (OSError, ValueError, SyntaxError):
        raise RefusedError(400, broken) from None
    if pixels > PICTURE_PIXELS:
        raise RefusedError(413, "这张图的尺寸太大了。请截图再发。")
    return content_type
