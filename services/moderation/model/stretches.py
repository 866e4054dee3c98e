"""Some words in a row that are read once more, alone, where the talk around them may drown what they say.

Whoever hides a threat in ordinary talk lowers what the networks say of the whole, the more so in other languages than
English, and with or without a full stop. Where the whole does not say danger plainly, the stretch of words that the
linear member finds worst is read by itself, one for each window. It counts a little less than the whole does, since
a stretch also loses what takes the danger away. Reading every stretch catches little more and takes much longer.
"""

import numpy as np

from services.moderation.model.categories import DANGER_COLUMNS
from services.moderation.model.mixture import Chances, Floats

_WORDS = 20
_SHORTEST_CUT = 30
"""Words of a message that is cut; what is shorter is read well as a whole."""
_PLAIN = 0.5
# What two networks rule out of English is ruled out. In other languages a single one reads, and drowns sooner.
_RULED_OUT, _RULED_OUT_ABROAD = 0.02, 0.0
# By how much the log-odds of a stretch count less.
_LESS, _LESS_ABROAD = 1.0, 0.5


def in_doubt(whole: Chances, *, is_english: bool) -> bool:
    """Return whether stretches are to be read, of ten probabilities: danger is neither plain nor ruled out."""
    danger = whole[DANGER_COLUMNS].max()
    return bool((_RULED_OUT if is_english else _RULED_OUT_ABROAD) <= danger < _PLAIN)


def stretches(words: list[str]) -> list[str]:
    """Return the words in different stretches that overlap by half, to the very last; none of a short message.

    A row of signs is none: it hides no danger, and would take the place of a stretch that may.
    """
    if len(words) < _SHORTEST_CUT:
        return []
    last = len(words) - _WORDS
    starts = [*range(0, last, _WORDS // 2), last]
    found = dict.fromkeys(" ".join(words[start : start + _WORDS]) for start in starts)
    return [each for each in found if any(map(str.isalnum, each))]


def worst(linear: Floats, most: int) -> list[int]:
    """Return which stretches the linear member finds worst, at most so many, of its (stretches, ten) log-odds."""
    order = np.argsort(-linear[:, DANGER_COLUMNS].max(axis=1), kind="stable")
    return [int(place) for place in order[:most]]


def counting_less(chances: Chances, *, is_english: bool) -> Chances:
    """Return the probabilities of stretches as they count beside the whole's."""
    odds = chances * np.exp(-(_LESS if is_english else _LESS_ABROAD))
    less: Chances = odds / (1.0 - chances + odds)
    return less
