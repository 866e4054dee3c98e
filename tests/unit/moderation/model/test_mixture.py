"""What the first readers find clear is settled by them; all else is read by everybody."""

import numpy as np

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.mixture import Mixture, Mixtures

_COUNT = len(CATEGORIES)


def _evenly(members: int) -> Mixture:
    return Mixture(np.full((members, _COUNT), 1 / members, np.float32), np.zeros(_COUNT, np.float32))


def _logits(*members: float) -> np.ndarray:
    return np.array([[[logit] * _COUNT] for logit in members], np.float32)


_MIXTURES = Mixtures(_evenly(2), _evenly(3), _evenly(2))
_PLAIN, _FOREIGN = np.array([True]), np.array([False])


def test_a_clear_window_is_scored_by_its_first_readers() -> None:
    chances = _MIXTURES.chances(_logits(-5, np.nan, -5), _PLAIN)
    assert np.allclose(chances, 1 / (1 + np.exp(5)))


def test_a_doubtful_window_is_scored_by_all() -> None:
    assert not _MIXTURES.clear(_logits(-5, 1), _PLAIN).any()
    assert np.allclose(_MIXTURES.chances(_logits(-5, 7, 1), _PLAIN), 1 / (1 + np.exp(-1)))


def test_a_doubt_in_one_category_is_enough() -> None:
    logits = _logits(-5, -5)
    logits[:, :, 7] = 0
    assert not _MIXTURES.clear(logits, _PLAIN).any()


def test_a_window_with_another_language_in_it_is_never_clear() -> None:
    assert not _MIXTURES.clear(_logits(-5, -5), _FOREIGN).any()


def test_the_english_network_lowers_nothing_that_it_cannot_read() -> None:
    assert np.allclose(_MIXTURES.chances(_logits(-1, 5, -10), _FOREIGN), 1 / (1 + np.exp(-2)))
    assert np.allclose(_MIXTURES.chances(_logits(-1, 1, 9), _FOREIGN), 1 / (1 + np.exp(-3)))


def test_other_languages_are_scored_without_the_english_network() -> None:
    assert np.allclose(_MIXTURES.chances(_logits(-1, 3), _FOREIGN), 1 / (1 + np.exp(-1)))
