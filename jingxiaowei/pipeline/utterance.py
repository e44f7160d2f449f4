"""An utterance that is compared as a whole: without courtesies in front and particles behind."""

from jingxiaowei.content.normalise import compact

_PARTICLES = "呀啊吧呢哦噢嘛哈啦的了么吗"
_PREFIXES = ("请帮我", "麻烦帮我", "帮我", "请问", "麻烦", "我想", "我要", "请", "给我")


def bare(text: str) -> str:
    """The words that are left to compare."""
    return stripped(compact(text))


def stripped(words: str) -> str:
    """The same of a text that is compact already."""
    for prefix in _PREFIXES:
        if words.startswith(prefix) and len(words) > len(prefix):
            words = words[len(prefix) :]
            break
    return words.rstrip(_PARTICLES) or words
