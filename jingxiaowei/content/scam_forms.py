"""What a rule recognises by its form instead of a spelling: sums, accounts, web addresses."""

import re
from collections.abc import Iterator, Mapping

Span = tuple[int, int]
_DIGITS = "0-9零〇一二两三四五六七八九十百千壹贰叁肆伍陆柒捌玖拾佰仟廿几"
# What has a form instead of a spelling.
FORMS: Mapping[str, re.Pattern[str]] = {
    "金额": re.compile(
        rf"(?:[¥$€£]|hk\$|usd|rmb)[0-9][0-9,.]*[万wk]?|[{_DIGITS}][{_DIGITS},.来多余]*"
        r"(?:万|元|块|w|k(?![a-z])|千|个w|美金|美元|港币)[0-9一二三四五六七八九]?"
        r"|[1-9][0-9]{3,6}(?![0-9年])"
    ),
    "账号": re.compile(r"[0-9x]{15,19}|[零〇一二三四五六七八九]{14,19}"),
    "网址": re.compile(r"[a-z0-9]{2,}\.?(?:top|vip|xyz|com|cn|cc|net|app)(?![a-z])|http|网址"),
}
# What a form can begin with, and what stands in every text that has it.
_FORM_BEGINS: Mapping[str, tuple[re.Pattern[str], re.Pattern[str]]] = {
    "金额": (re.compile(f"[{_DIGITS}¥$€£hur]"), re.compile(f"[{_DIGITS}¥$€£]")),
    "账号": (
        re.compile("[0-9x零〇一二三四五六七八九]"),
        # The first one apart: a search skips quickly to what a lone class allows.
        re.compile("[0-9x零〇一二三四五六七八九][0-9x零〇一二三四五六七八九]{13}"),
    ),
    "网址": (re.compile("[a-z0-9网]"), re.compile("[a-z网][a-z址]")),
}


def find_forms(text: str) -> Iterator[tuple[str, list[Span]]]:
    """What is recognised by its form, each kind that occurs with its places."""
    for name, (begins, sign) in _FORM_BEGINS.items():
        if sign.search(text) is None:
            continue
        form = FORMS[name]
        spans = []
        end = 0
        for found in begins.finditer(text):
            start = found.start()
            if start >= end:
                match = form.match(text, start)
                if match is not None:
                    spans.append(match.span())
                    end = match.end()
        if spans:
            yield name, spans
