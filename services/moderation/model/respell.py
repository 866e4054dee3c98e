"""One word at a time: leetspeak, stretched or masked letters, phonetic spellings and slips become the word meant.

Every step is held to the lexicon: a change is made only when it turns an unknown string into a known word, so "7th",
"3pm", "mp3" and names stay as they are.
"""

import re
from functools import cached_property
from itertools import product
from typing import ClassVar

from services.moderation.model.letters import fold_accents, read_table
from services.moderation.model.lexicon import REPAIR_VOCABULARY, Lexicon

_QUANTITY = re.compile(
    r"\d+(?:st|nd|rd|th|am|pm|a|p|s|k|m|x|d|v\d+|h|hr|hrs|min|mins|sec|lb|lbs|kg|g|ft|in|mm|cm|km|mg|ml|l|oz|gb|mb|tb|yo|yr|yrs|pt|pts|fps|ish|b)|[a-z]\d+|\d+"
)
_STRETCH = re.compile(r"(.)\1{2,}")
_RUN = re.compile(r"(.)\1+")
_MASK = "*#•·█■▪_%^~?.-+×✱∗"
_MASKED = re.compile(rf"[a-z$@!0-9]+[{re.escape(_MASK)}]+[a-z$@!0-9]*|[{re.escape(_MASK)}]+[a-z]{{2,}}")
_EDGES = re.compile(r"^([\"'(\[{<.,;:*_~]*)(.*?)([\"')\]}>.,;:!?*_~…]*)$", re.S)
_WORDLIKE = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LEET_CORE = re.compile(r"[a-z][0-9@$]+[a-z]|[0-9@$]+[a-z]{2}|[a-z]{2}[0-9@$]")
_MOST_DECODINGS = 24


class Respeller:
    """Turns one token into the words that were meant. Results are remembered.

    For the same words come again and again.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
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
        if word in self._lexicon or fold_accents(word) in self._lexicon:
            return word
        if "'" in word:
            bare = word.replace("'", "")
            return word if bare in self._lexicon else self._squeeze(bare) or self._lexicon.repair(bare) or word
        squeezed = self._squeeze(word)
        if squeezed:
            return squeezed
        return (self._lexicon.repair(word) or word) if word.isascii() else word

    def _squeeze(self, word: str) -> str | None:
        """Shorten stretched letters: two of each, then one of each, then any mixture, whichever is a known word."""
        if not _RUN.search(word):
            return None
        short = _STRETCH.sub(r"\1\1", word)
        runs = list(_RUN.finditer(short))[:5]
        for keep in product((2, 1), repeat=len(runs)):
            parts, at = [], 0
            for run, count in zip(runs, keep, strict=True):
                parts += [short[at : run.start()], run.group(1) * count]
                at = run.end()
            candidate = "".join(parts) + short[at:]
            if candidate in self._phonetic:
                return self._phonetic[candidate]
            if candidate in self._lexicon and (candidate != word):
                return candidate
        return short if short != word else None

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
        if len(body) < 2 or len(body) > 24 or (not letters and signs < 4):
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
        """Return the guarded word that fits ``k*ll``, ``su--ide`` or ``f***``.

        Or a known word with separators inside it.
        """
        match = _EDGES.match(token)
        core = match.group(2) if match else token
        tail = token[len(match.group(1)) + len(core) :] if match else ""
        if set(tail) & {"*"}:
            core, tail = core + tail.rstrip("\"').,;:!?…"), ""
        joined = "".join(ch for ch in core if ch.isalnum())
        parts = [part for part in re.split(r"[^a-z0-9]+", core) if part]
        if len(parts) > 1 and not all(part in self._lexicon and len(part) > 1 for part in parts):
            whole = joined if joined in self._lexicon and len(joined) > 3 else self._decode(joined)
            if whole and len(whole) > 2:
                return whole + tail
        if not _MASKED.fullmatch(core) or (
            "**" not in core
            and not any(
                mark in core
                for mark in _MASK.replace(".", "").replace("-", "").replace("_", "").replace("?", "").replace("+", "")
            )
        ):
            return None
        return self._fit(core, tail)

    def _fit(self, core: str, tail: str) -> str | None:
        shown = sum(ch.isalpha() for ch in core)
        if not shown or (shown == 1 and not core[0].isalpha()):
            return None
        pattern = "".join("." if ch in _MASK else self._leet_class(ch) for ch in core)
        exact = re.compile(pattern)
        loose = re.compile(re.sub(r"\.+", ".{1,4}", pattern))
        for rule in (exact, loose) if shown > 1 and re.search(r"[*#]{2}", core) else (exact,):
            for word in self._hidden_words:
                if rule.fullmatch(word):
                    return word + tail
        same_shape = self._by_shape.get((len(core), core[0]), []) if shown > 2 or shown + 1 == len(core) else []
        common = next((word for word in same_shape if exact.fullmatch(word)), None)
        return common + tail if common else None

    def _leet_class(self, ch: str) -> str:
        return re.escape(ch) if ch.isalpha() else f"[{self._leet[ch]}]" if ch in self._leet else "."

    @cached_property
    def _by_shape(self) -> dict[tuple[int, str], list[str]]:
        shapes: dict[tuple[int, str], list[str]] = {}
        for word in list(self._lexicon.rank)[:REPAIR_VOCABULARY]:
            if len(word) > 1:
                shapes.setdefault((len(word), word[0]), []).append(word)
        return shapes

    @cached_property
    def _hidden_words(self) -> list[str]:
        return list(read_table("guarded")["masked_first"])
