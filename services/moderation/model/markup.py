"""Markup in a text: a bare tag is dropped, so that it splits no word; what else stands between angle brackets is read.

No channel takes a text for markup: whoever gets the message sees every word of it.
"""

import html
import re

_LINES = re.compile(r"</?(?:br|p|div|li|tr|h\d)\s*/?>", re.I)
_BARE = re.compile(r"</?(?:[abiqsu]|big|code|em|font|small|span|strong|su[bp]|t[dt]|[ou]l|wbr)\s*/?>", re.I)
_TAG = re.compile(r"<(?:!--|/?(?=[a-zA-Z]))([^<>]{0,80})>")
_SPLIT = re.compile(rf"(?<![^\W_])[^\W_]+(?:(?:{_TAG.pattern})+[^\W_]+)+")


def strip_markup(text: str) -> str:
    """Return ``text`` without entities, tags and the signs of comments, but with every word of it."""
    for _ in range(2):
        if "&" not in text:
            break
        text = html.unescape(text)
    if "<" not in text:
        return text
    text = _BARE.sub("", _LINES.sub("\n", text))
    return _TAG.sub(r" \1 ", _SPLIT.sub(_both, text)).replace("<!--", " ")


def _both(run: re.Match[str]) -> str:
    """Return words with tags between them, and besides the one word that they may be parts of."""
    return f"{run.group()} {_TAG.sub('', run.group())}"
