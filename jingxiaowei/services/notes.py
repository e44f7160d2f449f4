"""一句话备注: what an officer writes beside a tag, and what must not stand there."""

import re

from jingxiaowei.content.normalise import compact
from jingxiaowei.errors import JingxiaoweiError
from jingxiaowei.pipeline.mask import holds_number, mask

NOTE_CHARACTERS = 60
# 病情、家庭矛盾细节、前科嫌疑: nothing that a neighbourhood tag may rest on.
_FORBIDDEN = re.compile(
    "|".join(
        (
            "癌|肿瘤|精神病|精神分裂|抑郁|艾滋|乙肝|糖尿病|残疾|智障|痴呆|阿尔茨海默|怀孕|流产|病历|确诊",
            "出轨|离婚|外遇|私生|家暴|婆媳|打老婆|打孩子",
            "前科|嫌疑|吸毒|邪教|传销头目|重点人|高危|老赖|不放心|劣迹|刑满|信访|上访|闹访",
            "信教|基督|伊斯兰|穆斯林|法轮|回族|维吾尔|藏族|党员|同性恋",
            "余额|存款\\d|月收入|年收入|工资\\d|车牌|易骗|难缠|傻",
        )
    )
)


class NoteRefusedError(JingxiaoweiError):
    """The note holds what must not be kept; the message says what."""


def require_note(text: str) -> str:
    """The note as it may be kept: one line, phones veiled.

    Raises:
        NoteRefusedError: it is empty, too long, or holds a number or a word that must not stay.
    """
    return require_line(text, NOTE_CHARACTERS, "写一句依据，比如：本人说是公司会计。")


def require_line(text: str, most: int, wanted: str) -> str:
    """The same for any line that officers write.

    Args:
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
    found = _FORBIDDEN.search(compact(line))
    if found:
        raise NoteRefusedError(f"备注里不能写“{found[0]}”这类内容，只写和办事有关的一句话。")
    return mask(line)
