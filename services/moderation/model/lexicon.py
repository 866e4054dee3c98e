"""The words that the normaliser knows: how common each is, how a run of letters splits into them.

Which one was misspelt.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

_LONGEST = 16
REPAIR_VOCABULARY = 12_000


class Lexicon:
    """A frozen word list in order of frequency, with a shorter list of guarded words that masking usually hides."""

    def __init__(self, words: Iterable[str], guarded: Iterable[str]) -> None:
        """``words`` come most frequent first; ``guarded`` words count as known and win ties."""
        self.rank = {word: place for place, word in enumerate(words)}
        self.guarded = frozenset(guarded)
        for word in self.guarded:
            self.rank.setdefault(word, 4_000)
        total = math.log(len(self.rank) + 1)
        self._cost = {word: math.log((place + 8) * total) for word, place in self.rank.items()}
        self._skeletons, self._deletes = self._index()

    @classmethod
    def load(cls, path: Path, guarded: Iterable[str]) -> "Lexicon":
        """Read one word a line; raises OSError when the file is missing."""
        return cls(path.read_text(encoding="utf-8").split("\n"), guarded)

    def __contains__(self, word: str) -> bool:
        return word in self.rank

    def known_share(self, words: list[str]) -> float:
        """Return the share (0..1) of letters that lie in known words of two letters or more."""
        letters = sum(map(len, words))
        return sum(len(word) for word in words if len(word) > 1 and word in self.rank) / letters if letters else 0.0

    def split(self, run: str) -> list[str] | None:
        """Return the likeliest split of ``run`` into known words, or None when a part of it is no word."""
        if len(run) > 200:
            return None
        best: list[tuple[float, int]] = [(0.0, 0)]
        for end in range(1, len(run) + 1):
            options = [
                (best[start][0] + self._price(run[start:end]), start) for start in range(max(0, end - _LONGEST), end)
            ]
            best.append(min(options))
        if best[-1][0] >= 1e6:
            return None
        words, end = [], len(run)
        while end:
            start = best[end][1]
            words.append(run[start:end])
            end = start
        return words[::-1]

    def _price(self, word: str) -> float:
        if len(word) == 1:
            return 9.0 if word in "aiu" else 1e6
        return self._cost.get(word, 1e6) + (6.0 if len(word) == 2 else 0.0)

    def _index(self) -> tuple[dict[str, str], dict[str, str]]:
        skeletons: dict[str, str] = {}
        deletes: dict[str, str] = {}
        common = sorted((w for w in self.rank if w.isascii() and w.isalpha() and len(w) > 3), key=self._priority)[
            :REPAIR_VOCABULARY
        ]
        for word in common:
            skeletons.setdefault(skeleton(word), word)
            deletes.setdefault(word, word)
            for i in range(len(word)):
                deletes.setdefault(word[:i] + word[i + 1 :], word)
        return skeletons, deletes

    def _priority(self, word: str) -> float:
        return self.rank[word] / (4.0 if word in self.guarded else 1.0)

    def repair(self, word: str) -> str | None:
        """Return the commonest known word one slip away (letter dropped, added, changed or swapped.

        Vowels left out).
        """
        if len(word) < 4:
            bare = self._skeletons.get(word) if len(word) == 3 else None
            return bare if bare in self.guarded else None
        found = [self._deletes[word]] if word in self._deletes else []
        for i in range(len(word)):
            near = self._deletes.get(word[:i] + word[i + 1 :])
            if near and one_slip(word, near):
                found.append(near)
        if not found and not set(word[1:]) & set("aeiou") and skeleton(word) in self._skeletons:
            found.append(self._skeletons[skeleton(word)])
        found = [near for near in found if near[0] == word[0] or near[:2] == word[1::-1]]
        return min(found, key=self._priority) if found else None


def skeleton(word: str) -> str:
    """Return the word without its vowels, its first letter kept."""
    return word[0] + "".join(ch for ch in word[1:] if ch not in "aeiouy")


def one_slip(a: str, b: str) -> bool:
    """Return whether one insertion, deletion, change or swap of neighbours turns ``a`` into ``b``."""
    if abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    swapped = len(rest_a) > 1 and len(rest_b) > 1 and rest_a[1::-1] == rest_b[:2] and rest_a[2:] == rest_b[2:]
    return swapped or rest_a[1:] == rest_b or rest_a == rest_b[1:] or rest_a[1:] == rest_b[1:]


def frequent_words(counts: dict[str, int], least: int, limit: int) -> list[str]:
    """Return the words seen at least ``least`` times, most frequent first, at most ``limit`` of them."""
    ranked = sorted((word for word, count in counts.items() if count >= least), key=lambda w: (-counts[w], w))
    return ranked[:limit]


def doubled_letters(word: str) -> int:
    """Return how many letters of ``word`` equal the one before."""
    return sum(a == b for a, b in pairwise(word))
