"""The words that the normaliser knows: how common each is, how a run splits into them, which one was misspelt."""

import math
from collections.abc import Iterable
from pathlib import Path

_LONGEST = 16
COMMON_WORDS = 12_000
_EVERYDAY = 2_000
_MENDED_TO = 4_000
_ENDINGS = ("s", "es", "ed", "ing", "er", "ers", "ly", "y", "d")


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
        plain = [word for word in self.rank if word.isascii() and word.isalpha() and len(word) > 3]
        guarded = sorted((word for word in plain if word in self.guarded), key=self.rank.__getitem__)
        for word in [*guarded, *plain[:_MENDED_TO]]:
            if len(skeleton(word)) > 2:
                skeletons.setdefault(skeleton(word), word)
            if word in self.guarded or len(word) > 4:
                deletes[word] = word
                for i in range(len(word)):
                    deletes.setdefault(word[:i] + word[i + 1 :], word)
        return skeletons, deletes

    def knows(self, word: str) -> bool:
        """Return whether ``word`` is known as it stands or as an inflected form of a known word."""
        if word in self.rank:
            return True
        stems = (word[: -len(ending)] for ending in _ENDINGS if word.endswith(ending) and len(word) > len(ending) + 2)
        return any(stem in self.rank or stem + "e" in self.rank or stem[:-1] in self.rank for stem in stems)

    def is_everyday(self, word: str) -> bool:
        """Return whether ``word`` is guarded or among the most frequent words."""
        return word in self.guarded or self.rank.get(word, _EVERYDAY) < _EVERYDAY

    def repair(self, word: str) -> str | None:
        """Return the word that ``word`` is one slip away from, or whose vowels were left out; guarded words first.

        A slip is a letter dropped, doubled or swapped with its neighbour; in a long guarded word also a wrong one.
        Other letters are left alone: mending them makes a Spanish word out of a French one.
        """
        if not set(word[1:]) & set("aeiou") and skeleton(word) in self._skeletons:
            return self._skeletons[skeleton(word)]
        if len(word) < 4:
            return None
        found = [self._deletes[word]] if word in self._deletes else []
        shorter = (word[:i] + word[i + 1 :] for i in range(len(word)))
        found += [near for near in map(self._deletes.get, shorter) if near and one_slip(word, near)]
        return min(filter(lambda near: self._is_likely(word, near), found), key=self._priority, default=None)

    def _priority(self, word: str) -> int:
        return self.rank[word] - (len(self.rank) if word in self.guarded else 0)

    def _is_likely(self, word: str, near: str) -> bool:
        if word[0] != near[0] and word[:2] != near[1::-1]:
            return False
        if len(word) > len(near):
            return any(word[i] == word[i + 1] and word[:i] + word[i + 1 :] == near for i in range(len(near)))
        is_long = near in self.guarded and len(near) > 5
        return is_long or len(word) < len(near) or sorted(word) == sorted(near)


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
