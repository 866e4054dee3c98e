"""The figures a screen is judged by. Scores are 0..1, labels 0 or 1.

Every function returns nan where nothing can be said.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def average_precision(labels: Floats, scores: Floats) -> float:
    """Return the area under precision over recall (ties share a threshold)."""
    positives = labels.sum()
    if not positives:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)
    hits = np.cumsum(labels[order])[last]
    taken = np.flatnonzero(last) + 1
    recall = hits / positives
    return float((np.diff(np.append(0.0, recall)) * hits / taken).sum())


def auroc(labels: Floats, scores: Floats) -> float:
    """Return the chance that a positive scores above a negative, ties counting half."""
    positives, negatives = np.sort(scores[labels == 1]), np.sort(scores[labels == 0])
    if not len(positives) or not len(negatives):
        return float("nan")
    below = np.searchsorted(negatives, positives, side="left")
    upto = np.searchsorted(negatives, positives, side="right")
    return float((below + upto).mean() / 2 / len(negatives))


def calibration_error(labels: Floats, scores: Floats, bins: int = 10) -> float:
    """Return the expected calibration error over equal-width bins."""
    if not len(labels):
        return float("nan")
    place = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        abs(labels[place == b].mean() - scores[place == b].mean()) * (place == b).mean()
        for b in range(bins)
        if (place == b).any()
    ]
    return float(sum(gaps))


def recall_at_alarm_rate(danger: Floats, harmless: Floats, rate: float) -> float:
    """Return the share of ``danger`` scores above the threshold that ``rate`` of ``harmless`` scores exceed."""
    if not len(danger) or not len(harmless):
        return float("nan")
    allowed = int(np.floor(rate * len(harmless)))
    threshold = np.sort(harmless)[::-1][min(allowed, len(harmless) - 1)]
    return float((danger > threshold).mean())


def share(mask: NDArray[np.bool_]) -> float:
    """Return the share of true values."""
    return float(mask.mean()) if len(mask) else float("nan")


def any_of(matrix: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return for each row whether anything in it is true."""
    return np.asarray(matrix.any(axis=1), dtype=np.bool_)
