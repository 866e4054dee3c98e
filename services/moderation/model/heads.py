"""Small networks over the encoder's numbers: several of one shape, started differently, whose log-odds are averaged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heads:
    """``members`` networks with one hidden layer: w1 (members, width, hidden), b1, w2 (members, hidden.

    Categories), b2.
    """

    w1: Floats
    b1: Floats
    w2: Floats
    b2: Floats

    def logits(self, rows: Floats) -> Floats:
        """Return (texts, categories) log-odds, the average over the members."""
        total = np.zeros((len(rows), self.w2.shape[2]), dtype=np.float32)
        for w1, b1, w2, b2 in zip(self.w1, self.b1, self.w2, self.b2, strict=True):
            total += np.maximum(rows @ w1 + b1, 0.0) @ w2 + b2
        return total / np.float32(len(self.w1))
