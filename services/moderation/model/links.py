"""Links and addresses: each is one word of the text, and words that are written as one are read by themselves.

Within the text those of an ordinary link would drown what stands around it.
"""

import re
from collections.abc import Callable
from itertools import groupby
from urllib.parse import unquote

from services.moderation.model.lexicon import Lexicon
from services.moderation.model.rearranged import split_run_together

# An address is looked for once in a row of its signs, not from each of them to the end.
_LINK = re.compile(r"(?:https?://|www\.)\S+|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+\.[\w.]+\b")
_SCHEME = re.compile(r"(?:https?://)?(?:www\.)?")
_PART = re.compile(r"[^\W_]+")
_ENDINGS = frozenset(("com", "edu", "gov", "htm", "html", "net", "org"))
_FEWEST = 3
"""Words in a row that say something; fewer stand in many a link."""


def lift_links(text: str, lexicon: Lexicon, respell: Callable[[str], str]) -> tuple[str, str]:
    """Return ``text`` with the word "link" for each link, and what the links say in words, one a line."""
    said: list[str] = []

    def lift(found: re.Match[str]) -> str:
        link = _SCHEME.sub("", unquote(found.group()).lower(), count=1)
        # A host and its path, or a name and its host: what stands before the sign and after it is no row.
        sides = [_words(side, lexicon, respell) for side in re.split("[@/]", link, maxsplit=1)]
        said.extend(" ".join(side) for side in sides if _says_something(side, lexicon))
        return " link "

    return _LINK.sub(lift, text), "\n".join(dict.fromkeys(said))


def _words(side: str, lexicon: Lexicon, respell: Callable[[str], str]) -> list[str]:
    found = " ".join(split_run_together(respell(part), lexicon) for part in _PART.findall(side))
    return [word for word in found.split() if word not in _ENDINGS]


def _says_something(side: list[str], lexicon: Lexicon) -> bool:
    rows = groupby(side, lambda word: word in lexicon and word.isalpha() and (len(word) > 1 or word in "aiu"))
    return any(is_row and len(list(row)) >= _FEWEST for is_row, row in rows)
