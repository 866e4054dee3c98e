"""How the members' log-odds become ten probabilities, and which windows need no second opinion."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Chances = NDArray[np.float64]
Bools = NDArray[np.bool_]
MEMBERS = ("linear", "multilingual", "english")
FIRST = [MEMBERS.index("linear"), MEMBERS.index("english")]
ABROAD = [MEMBERS.index("linear"), MEMBERS.index("multilingual")]
MIXTURE_FILE = "mixture.json"
# A window this unlikely in all ten categories is clear. On dev messages no danger that is held was ever below twice it.
_CLEAR_BELOW = 0.08


@dataclass(frozen=True, slots=True)
class Mixture:
    """How some members are weighed, per category: a weight for each member and a bias."""

    weights: Floats
    bias: Floats

    def chances(self, logits: Floats) -> Chances:
        """Return (windows, ten) probabilities of the members' log-odds, shaped (members, windows, ten)."""
        weighed = np.einsum("mwc,mc->wc", logits, self.weights) + self.bias
        chances: Chances = 1.0 / (1.0 + np.exp(-weighed.astype(np.float64)))
        return chances


@dataclass(frozen=True, slots=True)
class Mixtures:
    """``first`` weighs the two members that read English first, ``english`` all three, ``other`` all but English."""

    first: Mixture
    english: Mixture
    other: Mixture

    def of_two(self, is_english: bool) -> Mixture:
        """Return what weighs the linear member and the network that reads a language first."""
        return self.first if is_english else self.other

    def clear(self, first: Floats, is_plain: Bools) -> Bools:
        """Return which windows the multilingual network need not read, of the log-odds of the members FIRST.

        A window that is not plain English never is clear: the first readers do not know what else it says.
        """
        settled: Bools = is_plain & (self.first.chances(first).max(axis=1) < _CLEAR_BELOW)
        return settled

    def chances(self, logits: Floats, is_plain: Bools) -> Chances:
        """Return (windows, ten) probabilities of log-odds in the order of MEMBERS, without the English network abroad.

        What the multilingual network says of a clear window counts for nothing; it may be nan. Where a window is not
        plain English the English network may lower nothing: it does not know what it cannot read.
        """
        others = self.other.chances(logits[ABROAD])
        if len(logits) < len(MEMBERS):
            return others
        first = logits[FIRST]
        settled, is_mixed = self.clear(first, is_plain)[:, None], ~is_plain[:, None]
        every = self.english.chances(logits)
        return np.where(settled, self.first.chances(first), np.where(is_mixed, np.maximum(every, others), every))


def read_mixtures(folder: Path) -> Mixtures:
    """Return the mixtures as trained; raises OSError or KeyError when the file is not whole."""
    stored: dict[str, Any] = json.loads((folder / MIXTURE_FILE).read_text(encoding="utf-8"))
    return Mixtures(
        *(
            Mixture(np.array(stored[name]["weights"], np.float32), np.array(stored[name]["bias"], np.float32))
            for name in ("first", "english", "other")
        )
    )
