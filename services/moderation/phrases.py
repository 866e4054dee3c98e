"""The policy's phrases in a message, as whole words: blocked ones in any disguise, allowed ones as they are written.

A list is made ready once for each version of it; finding its phrases then takes no longer for a thousand than for one.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from services.moderation.model.normalise import load_normaliser, plain_words

_WORD = re.compile(r"[^\W_]+")
_LISTS_KEPT = 64
_TEXTS_KEPT = 32


class PhraseList:
    """Phrases by their words, and how many words those have that begin with a word."""

    def __init__(self, worded: Iterable[tuple[str, Sequence[str]]]) -> None:
        """Take each phrase with its words; a phrase may come several times, worded differently."""
        self._phrases: dict[tuple[str, ...], list[str]] = {}
        lengths: dict[str, set[int]] = {}
        for phrase, words in worded:
            if words:
                self._phrases.setdefault(tuple(words), []).append(phrase)
                lengths.setdefault(words[0], set()).add(len(words))
        self._lengths = {first: sorted(each, reverse=True) for first, each in lengths.items()}

    def at(self, words: Sequence[str], place: int) -> Iterator[tuple[int, list[str]]]:
        """Yield the phrases that begin with the word at this place, the longest first, after the place of their end."""
        for length in self._lengths.get(words[place], ()):
            end = place + length
            # At the end of the text fewer words are left than that, and they may be another phrase.
            if end <= len(words) and (phrases := self._phrases.get(tuple(words[place:end]))):
                yield end, phrases


def phrases_in(texts: Sequence[str], phrases: Sequence[str]) -> tuple[str, ...]:
    """Return those phrases that stand in one of the texts, in their order; disguised spellings count."""
    if not phrases:
        return ()
    blocked = _blocked(tuple(phrases))
    readings = [reading for text in texts for reading in _readings(text)]
    found: set[str] = set()
    for words in readings:
        for place in range(len(words)):
            found.update(*(same for _, same in blocked.at(words, place)))
    return tuple(phrase for phrase in phrases if phrase in found)


def can_be_found(phrase: str) -> bool:
    """Tell whether words alone, which are all that is compared, leave more of a phrase than one letter of it."""
    lengths = [sum(map(len, words)) for words in _readings(phrase)]
    is_one_letter = len(phrase.strip()) == 1
    return any(lengths) and (is_one_letter or 1 not in lengths)


def without_phrases(text: str, phrases: Sequence[str]) -> str:
    """Return the text with the allowed phrases cut out, whatever their case, width and what stands between the words.

    A disguised spelling is not cut out: what is allowed is the phrase itself, never what looks like it.
    """
    if not phrases:
        return text
    said = unicodedata.normalize("NFKC", text)
    left, cut_to = [], 0
    for start, end in _stretches(said, _allowed(tuple(phrases))):
        left += [said[cut_to:start], " "]
        cut_to = end
    return "".join([*left, said[cut_to:]])


def _stretches(said: str, allowed: PhraseList) -> Iterator[tuple[int, int]]:
    """Yield where the phrases stand, first to last; of two that overlap the one that begins first, or is longer."""
    tokens = list(_WORD.finditer(said))
    words = [token.group().casefold() for token in tokens]
    place = 0
    while place < len(tokens):
        end = next((end for end, _ in allowed.at(words, place)), 0)
        if end:
            yield tokens[place].start(), tokens[end - 1].end()
        place = end or place + 1


@lru_cache(maxsize=_LISTS_KEPT)
def _allowed(phrases: tuple[str, ...]) -> PhraseList:
    def words(phrase: str) -> list[str]:
        return [word.casefold() for word in _WORD.findall(unicodedata.normalize("NFKC", phrase))]

    return PhraseList((phrase, words(phrase)) for phrase in phrases)


@lru_cache(maxsize=_LISTS_KEPT)
def _blocked(phrases: tuple[str, ...]) -> PhraseList:
    return PhraseList((phrase, words) for phrase in phrases for words in _wordings(phrase))


def _wordings(phrase: str) -> list[tuple[str, ...]]:
    written, *read = _readings.__wrapped__(phrase)
    # Every link is the same word to the normaliser: so read, one that is blocked would be any.
    return [written, *(words for words in read if words.count("link") == written.count("link"))]


# A verdict among others looks at the same texts several times.
@lru_cache(maxsize=_TEXTS_KEPT)
def _readings(text: str) -> tuple[tuple[str, ...], ...]:
    # The normaliser also replaces slang by what it means, so the words as written are a reading of their own.
    normalised = load_normaliser().normalise(text).text
    return tuple(dict.fromkeys(tuple(plain_words(said.casefold())) for said in (text, normalised)))
