"""What the taxonomy's own words are in an officer's."""

from collections.abc import Mapping

from jingxiaowei.content.tag_model import Applier, Purpose

APPLIERS: Mapping[str, str] = {
    Applier.POLICE: "民警",
    Applier.AUXILIARY: "辅警",
    Applier.RESIDENT: "本人",
    Applier.SYSTEM: "系统",
}
PURPOSE_WORDS: Mapping[str, str] = {
    Purpose.SERVICE: "服务",
    Purpose.PREVENTION: "宣防",
    Purpose.COOPERATION: "协作",
}
