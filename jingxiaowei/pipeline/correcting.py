"""更正: "不是换证，是补办", "打错了，我要换护照" take back what was said before.

What is denied is not meant. Whether a text corrects can be known only after another one.
"""

import re
from dataclasses import dataclass

from jingxiaowei.content.normalise import compact

_GAP = r"[，,。.！!\s]"
_WHAT = r"[^，,。！？!?\s]"
_SAID = r"(?:说|问|想问|要问|讲|指|要办)"
_SIGH = (
    rf"^(?:哦|噢|喔|啊|哎呀|哎|诶|呃|嗯|不对不对|不对|不好意思|抱歉|等等|等一下|其实|刚才没说清楚?|"
    rf"没说清楚?|{_GAP})*"
)
# 打错字了 · 看岔 · 讲反了 · 错了: a slip is owned up to. 看错红灯了怎么办 is none.
_SLIP = re.compile(
    rf"{_SIGH}我?(?:刚才|刚刚|前面|上面)?(?:(?:搞|说|记|打|看|弄|讲|写|问|听|想|发|输)"
    rf"(?:错|岔|反|倒|混|拧|差)(?:{_WHAT}{{1,3}}(?=了)|字)?|错了错|错|反|不对)了?(?:啦|咯|喽)?"
    rf"(?:{_GAP}+|(?=我|他|她|它|是|不是|应该))"
)
_SIGHED = re.compile(rf"{_SIGH}")
# 是不是 is a question and denies nothing.
_DENIED = re.compile(
    rf"(?:(?P<said>我?(?:刚|刚才)?{_SAID}的)|(?P<who>我|他|她|咱|俺))?(?<!是)(?:不是|勿是|弗是|不光是)(?:说|问|要|办|指)?"
    rf"(?P<denied>{_WHAT}{{1,12}}){_GAP}+(?:我)?(?:而|就|想|说的|问的|想问的|要)*(?:是|要|想)?"
    r"(?P<meant>.{2,})$"
)
_NOT_SO = re.compile(rf"没有?(?P<denied>{_WHAT}{{1,6}}){_GAP}+是(?P<meant>.{{2,}})$")
_RATHER = re.compile(
    rf"我?(?:{_SAID}的)?是(?P<meant>{_WHAT}{{1,12}}?){_GAP}*不是(?P<denied>{_WHAT}{{1,10}})(?P<more>.*)$"
)
_INSISTED = re.compile(
    rf"(?:我(?:的意思是|意思是|{_SAID}的(?:其实)?是)|{_SAID}的是)(?P<meant>(?!啥|什么)[^，,。！？!?]{{2,}}?)"
    rf"(?:{_GAP}+不是(?P<denied>.{{1,12}}))?$"
)
_MEANT = re.compile(rf"我?(?:{_SAID}的|应该)*(?:是|要|想)?(?P<meant>.{{2,}})$")


@dataclass(frozen=True, slots=True)
class Correction:
    """What a correction means, and what it denies; empty where it says only that it was wrong."""

    meant: str
    denied: str = ""


def correction(text: str, before: str) -> Correction | None:
    """How a text corrects the one ``before``; nothing where it doesn't."""
    plain = text.strip().rstrip("。.!！")
    slip = _SLIP.match(plain)
    rest = plain[slip.end() :] if slip else _SIGHED.sub("", plain)
    found = _DENIED.match(rest)
    if found is not None and found["who"] and not slip and not _shares(found["denied"], before):
        return None  # 我不是本地人，怎么办: who somebody is, not what was not meant
    found = found or (_NOT_SO.match(rest) if slip else None)
    if found is None and (slip or re.match(rf"我?{_SAID}的", rest)):
        found = _RATHER.match(rest)
        if found is not None:
            return Correction(f"{found['meant']}{found['more']}", found["denied"])
    found = found or _INSISTED.match(rest) or (_MEANT.match(rest) if slip else None)
    if found is None:
        return None
    meant = _SLIP.sub("", found["meant"])  # 不是香港的 打错 是台湾的
    return Correction(meant, found.groupdict().get("denied") or "")


def amend(before: str, corrected: Correction) -> str:
    """The text before, without what is denied."""
    return before.replace(compact(corrected.denied), "") if corrected.denied else before


def _shares(denied: str, before: str) -> bool:
    """Whether two characters in a row of what is denied stand in the text before."""
    plain, said = compact(denied), compact(before)
    return any(plain[n : n + 2] in said for n in range(len(plain) - 1))
