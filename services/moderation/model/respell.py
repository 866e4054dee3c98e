"""One word at a time: leetspeak, stretched or masked letters, phonetic spellings and slips become the word meant.

Every step is held to the lexicon: a change is made only when it turns an unknown string into a known word, so "7th",
"3pm", "mp3" and names stay as they are.
"""

import re
from functools import cached_property
from itertools import product
from typing import ClassVar

from services.moderation.model.letters import fold_accents, read_table
from services.moderation.model.lexicon import COMMON_WORDS, Lexicon

_QUANTITY = re.compile(
    r"\d+(?:st|nd|rd|th|am|pm|a|p|s|k|m|x|d|v\d+|h|hr|hrs|min|mins|sec|lb|lbs|kg|g|ft|in|mm|cm|km|mg|ml|l|oz|gb|mb|tb|yo|yr|yrs|pt|pts|fps|ish|b)|[a-z]\d+|\d+"
)
_STRETCH = re.compile(r"(.)\1{2,}")
_RUN = re.compile(r"(.)\1+")
_STARS = frozenset("*#•·█■▪%^~×✱∗")
_MASK = "".join(sorted(_STARS)) + "_?.+-"
_MASKED = re.compile(rf"[a-z$@!0-9]+[{re.escape(_MASK)}]+[a-z$@!0-9]*|[{re.escape(_MASK)}]+[a-z]{{2,}}")
_EDGES = re.compile(r"^([\"'(\[{<.,;:*_~]*)(.*?)([\"')\]}>.,;:!?*_~…]*)$", re.S)
_WORDLIKE = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LEET_CORE = re.compile(r"[a-z][0-9@$]+[a-z]|[0-9@$][a-z]{2}|[a-z]{2}[0-9@$]")
_MOST_DECODINGS = 24
_REASON_TO_MASK = 6


class Respeller:
    """Turns one token into the words that were meant, and remembers it: the same words come again and again.

    ``reason_to_mask`` is how many times likelier a guarded word is to be masked than another one.
    """

    def __init__(self, lexicon: Lexicon, reason_to_mask: int = _REASON_TO_MASK) -> None:
        self._lexicon = lexicon
        self._reason_to_mask = reason_to_mask
        self._phonetic: dict[str, str] = read_table("phrases")["words"]
        letters = read_table("letters")
        self._leet: dict[str, str] = letters["leet"]
        self._pairs: dict[str, str] = letters["leet_pairs"]
        self._memory: dict[str, str] = {}

    def respell_leet(self, token: str) -> str:
        """Read a token of a message that is in leetspeak elsewhere: here "70" and "d0" are words, and "1" is I."""
        core = token.rstrip(".,;:?!")
        if not core or core.isalpha() or (core not in self._bold and not any(ch.isdigit() for ch in core)):
            return token
        word = self._bold.get(core)
        if word is None:
            choices = ("".join(choice) for choice in product(*(self._leet.get(ch, ch) for ch in core[:12])))
            word = min(
                (c for c in choices if self._lexicon.rank.get(c, 9_999) < 3_000),
                key=self._lexicon.rank.__getitem__,
                default=core,
            )
        return word + token[len(core) :]

    _bold: ClassVar[dict[str, str]] = {"1": "i", "2": "to", "4": "for", "u": "you", "r": "are"}

    def is_leet(self, token: str) -> bool:
        """Return whether ``token`` mixes digits or signs into a word that only leetspeak makes."""
        return (
            not token.isalpha()
            and token[:1].isalnum()
            and bool(_LEET_CORE.search(token))
            and not _QUANTITY.fullmatch(token.rstrip(".,;:?!"))
            and self.respell(token) != token
        )

    def is_masked(self, token: str) -> bool:
        """Return whether signs stand for letters inside ``token``."""
        return not _STARS.isdisjoint(token[1:]) and bool(_MASKED.fullmatch(token.strip("\"'(),.;:!?…")))

    def respell(self, token: str) -> str:
        """Return ``token`` (lower case, no spaces) as it should be read; punctuation at its edges is kept."""
        known = self._memory.get(token)
        if known is None:
            known = self._respell(token)
            if len(self._memory) > 50_000:
                self._memory.clear()
            self._memory[token] = known
        return known

    def _respell(self, token: str) -> str:
        if _WORDLIKE.fullmatch(token):
            return self._word(token)
        if any(ch in _MASK for ch in token[1:]):
            unmasked = self._unmask(token)
            if unmasked:
                return unmasked
        match = _EDGES.match(token)
        head, core, tail = match.groups() if match else ("", token, "")
        if _WORDLIKE.fullmatch(core):
            return head + self._word(core) + tail
        for body, rest in ((core + tail, ""), (core, tail)):
            decoded = self._decode(body.rstrip(".,;:?")) if body else None
            if decoded:
                return f"{head}{decoded}{rest}"
        return head + self._phonetic.get(core, core) + tail

    def _word(self, word: str) -> str:
        if word in self._phonetic:
            return self._phonetic[word]
        if self._lexicon.knows(word) or self._lexicon.knows(fold_accents(word)):
            return word
        if "'" in word:
            return self._squeeze(word.replace("'", "")) or word if _STRETCH.search(word) else word
        squeezed = self._squeeze(word)
        if squeezed:
            return squeezed
        return (self._lexicon.repair(word) or word) if word.isascii() else word

    def _squeeze(self, word: str) -> str | None:
        """Shorten stretched letters to the commonest known word, doubled ones to the longest."""
        if not _RUN.search(word):
            return None
        short = _STRETCH.sub(r"\1\1", word)
        runs = list(_RUN.finditer(short))[:5]
        known: list[str] = []
        for keep in product((2, 1), repeat=len(runs)):
            parts, at = [], 0
            for run, count in zip(runs, keep, strict=True):
                parts += [short[at : run.start()], run.group(1) * count]
                at = run.end()
            candidate = "".join(parts) + short[at:]
            if candidate in self._phonetic:
                return self._phonetic[candidate]
            if candidate in self._lexicon and candidate != word:
                known.append(candidate)
        if known and not _STRETCH.search(word):
            return known[0]
        return min(known, key=self._lexicon.rank.__getitem__, default=short if short != word else None)

    def _decode(self, body: str) -> str | None:
        """Read digits and signs as letters when a known word comes out; quantities and ordinals are left alone."""
        if body in self._phonetic:
            return self._phonetic[body]
        if not any(ch in self._leet or not ch.isalnum() for ch in body) or _QUANTITY.fullmatch(body):
            return None
        for pair, letter in self._pairs.items():
            body = body.replace(pair, letter)
        letters = sum(ch.isalpha() for ch in body)
        signs = len(body) - letters
        if len(body) < 3 or len(body) > 24 or (not letters and signs < 4):
            return None
        options = [self._leet.get(ch, ch if ch.isalpha() else "") or "\0" for ch in body]
        if any(option == "\0" for option in options):
            return None
        for number, choice in enumerate(product(*options)):
            candidate = "".join(choice)
            word = (
                candidate if candidate in self._lexicon else self._phonetic.get(candidate) or self._squeeze(candidate)
            )
            if word and (letters or word in self._lexicon.guarded):
                return word
            if number >= _MOST_DECODINGS:
                break
        plain = "".join(option[0] for option in options)
        return self._lexicon.repair(plain) if letters >= 2 and len(plain) > 4 else None

    def _unmask(self, token: str) -> str | None:
        """Return the guarded word that fits ``k*ll`` or ``f***``, or the known word with separators inside it."""
        match = _EDGES.match(token)
        core = match.group(2) if match else token
        tail = token[len(match.group(1)) + len(core) :] if match else ""
        if set(tail) & {"*"}:
            core, tail = core + tail.rstrip("\"').,;:!?…"), ""
        if set(core) & _STARS and _MASKED.fullmatch(core):
            fitting = self._fit(core, tail)
            if fitting:
                return fitting
        return self._joined(core, tail)

    def _joined(self, core: str, tail: str) -> str | None:
        """Return the known word that ``core`` is without the signs between its letters."""
        parts = [part for part in re.split(r"[^a-z0-9]+", core) if part]
        if len(parts) < 2 or all(part in self._lexicon and len(part) > 1 for part in parts):
            return None
        joined = "".join(ch for ch in core if ch.isalnum())
        whole = joined if joined in self._lexicon and len(joined) > 3 else self._decode(joined)
        return whole + tail if whole and len(whole) > 2 else None

    def _fit(self, core: str, tail: str) -> str | None:
        shown = sum(ch.isalpha() for ch in core)
        if not shown or (shown == 1 and not core[0].isalpha()):
            return None
        pattern = "".join("." if ch in _MASK else self._leet_class(ch) for ch in core)
        exact = re.compile(pattern)
        loose = re.compile(re.sub(r"\.+", ".{1,4}", pattern))
        same_shape = self._by_shape.get((len(core), core[0]), []) if shown > 2 or shown + 1 == len(core) else []
        found = [word for word in (*self._hidden_words, *same_shape) if exact.fullmatch(word)]
        if not found and shown > 1 and re.search(r"[*#]{2}", core):
            found = [word for word in self._hidden_words if loose.fullmatch(word)]
        return min(found, key=self._unlikelihood) + tail if found else None

    def _unlikelihood(self, word: str) -> float:
        """Return how unlikely it is that ``word`` was masked: its rank, far lower for what one has reason to mask."""
        return self._lexicon.rank[word] / (self._reason_to_mask if word in self._lexicon.guarded else 1)

    def _leet_class(self, ch: str) -> str:
        return re.escape(ch) if ch.isalpha() else f"[{self._leet[ch]}]" if ch in self._leet else "."

    @cached_property
    def _by_shape(self) -> dict[tuple[int, str], list[str]]:
        shapes: dict[tuple[int, str], list[str]] = {}
        for word in list(self._lexicon.rank)[:COMMON_WORDS]:
            if len(word) > 1:
                shapes.setdefault((len(word), word[0]), []).append(word)
        return shapes

    @cached_property
    def _hidden_words(self) -> list[str]:
        return list(read_table("guarded")["masked_first"])
