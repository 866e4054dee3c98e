"""Scores rows as the model does, from the members' log-odds under a mixture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.language import identify
from services.moderation.model.mixture import MEMBERS, Mixtures
from services.moderation.model.scoring import (
    Parts,
    apply_rules,
    every_logits,
    plain_windows,
    reads_as_english,
    stretch_logits,
    what_is_read,
    worst_stretches,
)
from services.moderation.model.stretches import counting_less, in_doubt
from services.moderation.training.data import Row, label_matrix

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heard:
    """One row with its members' log-odds, shaped (members, windows, ten); three members when it reads as English.

    ``is_plain`` tells which windows hold nothing but English. ``stretches`` has the log-odds of the worst stretches of
    words, shaped (two, stretches, ten), whether they are in doubt or not.
    """

    row: Row
    logits: NDArray[np.float32]
    is_plain: NDArray[np.bool_]
    stretches: NDArray[np.float32]

    @property
    def is_english(self) -> bool:
        """Return whether the English network read it too."""
        return len(self.logits) == len(MEMBERS)

    def scores(self, mixtures: Mixtures) -> Floats:
        """Return the ten probabilities that the model gives under these mixtures."""
        final: Floats = mixtures.chances(self.logits, self.is_plain).max(axis=0)
        if self.stretches.size and in_doubt(final, is_english=self.is_english):
            closer = mixtures.of_two(self.is_english).chances(self.stretches)
            final = np.maximum(final, counting_less(closer, is_english=self.is_english).max(axis=0))
        apply_rules(final, np.zeros(len(CATEGORIES), np.int64))
        return final


def hear(parts: Parts, rows: list[Row]) -> list[Heard]:
    """Return the rows with their members' log-odds; rows without a word are left out."""
    found = []
    for row in rows:
        said = parts.normaliser.normalise(row.text).text
        english = reads_as_english(identify(said, row.lang, parts.ngrams.word_columns))
        read = what_is_read(said, english)
        if read:
            stretches = stretch_logits(parts, worst_stretches(parts, said, len(read)), english)
            found.append(Heard(row, every_logits(parts, read, english), plain_windows(read), stretches))
    return found


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows with the scores (0..1) that the model gives them, and what it holds (rows, ten)."""

    rows: list[Row]
    scores: Floats
    held: NDArray[np.bool_]

    @property
    def labels(self) -> Floats:
        """Return the (rows, ten) labels, nan where not known."""
        return label_matrix(self.rows).astype(np.float64)

    def where(self, mask: NDArray[np.bool_]) -> "Judged":
        """Return the rows where ``mask`` holds."""
        return Judged(
            [row for row, kept in zip(self.rows, mask.tolist(), strict=True) if kept],
            self.scores[mask],
            self.held[mask],
        )

    def of(self, *kinds: str) -> "Judged":
        """Return the rows of these kinds."""
        return self.where(np.array([row.kind in kinds for row in self.rows], dtype=bool))


def score_rows(heard: list[Heard], mixtures: Mixtures) -> Floats:
    """Return (rows, ten) scores under these mixtures."""
    return np.array([each.scores(mixtures) for each in heard]).reshape(len(heard), len(CATEGORIES))
