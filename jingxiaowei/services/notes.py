"""一句话备注: what an officer writes beside a tag, and what must not stand there."""

from jingxiaowei.content.tag_forbidden import Forbidden, in_note
from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.mask import holds_number, mask

NOTE_CHARACTERS = 60


class NoteRefusedError(JingxiaoweiError):
    """The note holds what must not be kept; the message says what."""


def require_note(text: str, forbidden: Forbidden) -> str:
    """The note as it may be kept: one line, phones veiled.

    Raises:
        NoteRefusedError: it is empty, too long, or holds a number or a word that must not stay.
    """
    return require_line(text, forbidden, NOTE_CHARACTERS, "写一句依据，比如：本人说是公司会计。")


def require_line(text: str, forbidden: Forbidden, most: int, wanted: str) -> str:
    """The same for any line that officers write.

    Args:
        forbidden: the list that tags are held to as well, see ``forbidden_tags.yaml``.
        most: characters.
        wanted: what an empty one is answered with.

    Raises:
        NoteRefusedError: as :func:`require_note`.
    """
    line = " ".join(text.split())
    if not line:
        raise NoteRefusedError(wanted)
    if len(line) > most:
        raise NoteRefusedError(f"最多写 {most} 个字，现在 {len(line)} 个。")
    if holds_number(line):
        raise NoteRefusedError("备注里像有证件号或卡号，删掉再存。")
    found = in_note(forbidden, line)
    if found:
        raise NoteRefusedError(f"备注里不能写“{found}”这类内容，只写和办事有关的一句话。")
    return mask(line)
