"""Word 1-2-grams and character 2-5-grams (inside words), TF-IDF weighted, and the linear scores over them.

The vocabulary is a dict and the weights are rows of one numpy array: the same numbers as a scikit-learn pipeline
gives, at a small part of its cost for one message, because what a word contributes is remembered from the last time
it was seen.
"""

import itertools
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_SHORTEST, _LONGEST = 2, 5


def word_grams(words: list[str]) -> list[str]:
    """Return the single words and the pairs of neighbours, a space between them."""
    return words + [f"{a} {b}" for a, b in itertools.pairwise(words)]


def char_grams(word: str) -> list[str]:
    """Return every run of 2 to 5 characters of the word with a space at either end; words are cut at 24 letters."""
    padded = f" {word[:24]} "
    return [padded[i : i + size] for size in range(_SHORTEST, _LONGEST + 1) for i in range(len(padded) - size + 1)]


@dataclass(frozen=True, slots=True)
class Features:
    """One message as sparse features: column numbers (ascending.

    Words before characters) and unit-length values per block.
    """

    columns: NDArray[np.int64]
    values: Floats


class NgramModel:
    """Linear scores over n-grams. ``weights`` has a row per n-gram and a column per category."""

    def __init__(self, words: list[str], chars: list[str], idf: Floats, weights: Floats, bias: Floats) -> None:
        """``words`` and ``chars`` name the rows of ``idf`` and ``weights``, words first."""
        self.word_columns = {gram: i for i, gram in enumerate(words)}
        self.char_columns = {gram: i + len(words) for i, gram in enumerate(chars)}
        self._idf = idf
        self._weights = weights
        self._bias = bias
        self._memory: dict[str, list[int]] = {}

    def features(self, words: list[str]) -> Features:
        """Return the features of a message given as plain words."""
        of_words = Counter(self.word_columns[gram] for gram in word_grams(words) if gram in self.word_columns)
        of_chars = Counter(column for word in words for column in self._columns_of(word))
        parts = [self._block(block) for block in (of_words, of_chars)]
        return Features(np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts]))

    def _columns_of(self, word: str) -> list[int]:
        known = self._memory.get(word)
        if known is None:
            known = [self.char_columns[gram] for gram in char_grams(word) if gram in self.char_columns]
            if len(self._memory) > 30_000:
                self._memory.clear()
            self._memory[word] = known
        return known

    def _block(self, counts: Counter[int]) -> tuple[NDArray[np.int64], Floats]:
        columns = np.array(sorted(counts), dtype=np.int64)
        values = np.array([counts[c] for c in columns.tolist()], dtype=np.float32)
        values = (np.float32(1.0) + np.log(values)) * self._idf[columns]
        length = float(np.sqrt(values @ values))
        return columns, values / length if length else values

    def logits(self, features: Features) -> Floats:
        """Return one log-odds a category."""
        scores: Floats = features.values @ self._weights[features.columns] + self._bias
        return scores

    def carried_by(self, words: list[str], category: int) -> list[tuple[str, float]]:
        """Return each word with what it adds to the category's log-odds, in the order of the text."""
        found = self.features(words)
        shares = dict(
            zip(found.columns.tolist(), (found.values * self._weights[found.columns, category]).tolist(), strict=True)
        )
        carried = []
        for i, word in enumerate(words):
            own = [word, *word_grams(words[max(0, i - 1) : i + 2])]
            columns = {self.word_columns[gram] for gram in own if gram in self.word_columns} | set(
                self._columns_of(word)
            )
            carried.append((word, sum(shares.get(column, 0.0) for column in columns)))
        return carried
