"""Which blocked phrases stand in a message: whole words, as they are written and as the normaliser reads them."""

from collections.abc import Sequence
from functools import lru_cache

from services.moderation.domain import contains_phrase
from services.moderation.model.normalise import load_normaliser, plain_words


def phrases_in(texts: Sequence[str], phrases: Sequence[str]) -> tuple[str, ...]:
    """Return those phrases that stand in one of the texts, in their order; disguised spellings count."""
    if not phrases:
        return ()
    readings = [reading for text in texts for reading in _readings(text)]
    return tuple(phrase for phrase in phrases if any(_stands_in(phrase, reading) for reading in readings))


def _stands_in(phrase: str, reading: str) -> bool:
    return contains_phrase(reading, _phrase_readings(phrase))


@lru_cache(maxsize=4096)
def _phrase_readings(phrase: str) -> tuple[str, ...]:
    return _readings(phrase)


def _readings(text: str) -> tuple[str, ...]:
    # The normaliser also replaces slang by what it means, so the words as written are a reading of their own.
    normalised = load_normaliser().normalise(text).text
    return tuple(dict.fromkeys(" ".join(plain_words(said.casefold())) for said in (text, normalised)))
