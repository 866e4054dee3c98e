"""The normaliser: what a message says once its disguise is off.

Order matters. Unicode forms come first (everything after sees plain lower-case letters), then links and mentions,
then letters that were moved (upside down, spelt out, backwards, Pig Latin), then one word at a time (leetspeak,
masks, stretched letters, phonetic spellings, slips), then emoji that stand for nouns. Laughter emoji (skull, joy)
become nothing: teenagers laugh with them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from services.moderation.model.encoded import looks_encoded
from services.moderation.model.letters import fold_accents, plain_letters, read_table
from services.moderation.model.lexicon import Lexicon
from services.moderation.model.links import lift_links
from services.moderation.model.rearranged import (
    join_spelt_out,
    read_backwards,
    read_pig_latin,
    set_upright,
    split_run_together,
)
from services.moderation.model.respell import Respeller

LEXICON_FILE = Path(__file__).with_name("artefacts") / "lexicon.txt"
SENTENCE_WORDS = 40
WINDOW_WORDS = 60
_MOST_OVERLAPPING = 30_000
"""Characters in windows that overlap, which takes seconds where they are gibberish."""
_LONGEST_READ = 30_000
"""Characters; no message has so many before it is normalised, and it takes seconds to read them."""
_MENTION = re.compile(r"(?<![\w$])[@#](?=[a-z]{2,})")
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"')\]]*\s+|\n+|(?<=[。！？])")
_TOKEN = re.compile(r"\S+")
_BARE = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Normalised:
    """A message without its disguise, in lower case; ``encoded`` when part of it needs a person to read it."""

    text: str
    encoded: bool
    linked: str = ""
    """What its links say in words."""


class Normaliser:
    """Undoes every evasion that it can undo without guessing; the same text always gives the same result."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._respeller = Respeller(lexicon)
        self._even_respeller = Respeller(lexicon, reason_to_mask=1)
        phrases: dict[str, str] = read_table("phrases")["phrases"]
        self._phrases = {re.sub(r"[^\w$]+", " ", phrase): meant for phrase, meant in phrases.items()}
        self._phrase = re.compile(
            r"(?<!\w)(?:" + "|".join(map(_loosely, sorted(self._phrases, key=len, reverse=True))) + r")(?!\w)"
        )
        emoji = read_table("emoji")
        self._nouns: dict[str, str] = {name: noun for name, noun in emoji["nouns"].items() if noun}
        silent = set(emoji["laughter"]) | {"\u200d", "\ufe0f"}
        shapes = sorted((plain_letters(name) for name in self._nouns), key=len, reverse=True)
        self._nouns = {plain_letters(name): noun for name, noun in self._nouns.items()}
        self._emoji = re.compile("|".join(map(re.escape, shapes)))
        self._silent = {ord(ch): " " for ch in silent if plain_letters(ch) not in self._nouns}

    def normalise(self, text: str) -> Normalised:
        """Return what ``text`` says; any length, never raises."""
        encoded = looks_encoded(text)
        said, linked = self._lift(text)
        said = join_spelt_out(said, self._lexicon)
        said = read_pig_latin(read_backwards(said, self._lexicon), self._lexicon)
        said = self._phrase.sub(self._meaning, said)
        said = self._respell(said)
        said = self._run_together(said)
        said = self._phrase.sub(self._meaning, said)
        said = re.sub(r"[ \t\r\f\v]+", " ", said).strip()
        return Normalised(_both_ends(said), encoded or len(said) > _LONGEST_READ, linked)

    def _respell(self, text: str) -> str:
        words = text.split()
        masked = sum(map(self._respeller.is_masked, words)) if "*" in text else 0
        # Who masks every second word hides none of them in particular.
        respeller = self._even_respeller if masked > max(3, len(words) // 2) else self._respeller
        if any(ch.isdigit() for ch in text) and sum(map(respeller.is_leet, words)) >= 2:
            text = _TOKEN.sub(lambda token: respeller.respell_leet(token.group()), text)
        return _TOKEN.sub(lambda token: respeller.respell(token.group()), text)

    def _lift(self, text: str) -> tuple[str, str]:
        upright = set_upright(text, self._lexicon) if not text.isascii() else text
        said = plain_letters(upright)
        if not said.isascii():
            said = self._emoji.sub(lambda found: f" {self._nouns[found.group()]} ", said).translate(self._silent)
        if "@" in said or "://" in said or "www." in said or "#" in said:
            said, linked = lift_links(said, self._lexicon, self._respeller.respell)
            return _MENTION.sub("", said), linked
        return said, ""

    def _meaning(self, found: re.Match[str]) -> str:
        return self._phrases[re.sub(r"[^\w$]+", " ", found.group())]

    def _run_together(self, text: str) -> str:
        return _BARE.sub(lambda word: split_run_together(word.group(), self._lexicon), text)


def _both_ends(text: str) -> str:
    """Return what is read of a text: all, but of one that grew without measure, by signs that stand for sentences."""
    half = _LONGEST_READ // 2
    return text if len(text) <= _LONGEST_READ else f"{text[:half]}\n{text[-half:]}"


def _loosely(phrase: str) -> str:
    return r"[\s\-_.']+".join(map(re.escape, phrase.split(" ")))


def sentences(text: str) -> list[str]:
    """Split normalised text into sentences or lines; a stretch without an end is cut every ``SENTENCE_WORDS`` words."""
    found: list[str] = []
    for part in _SENTENCE_END.split(text):
        words = part.split()
        found += [" ".join(words[i : i + SENTENCE_WORDS]) for i in range(0, len(words), SENTENCE_WORDS)]
    return [part for part in found if any(ch.isalnum() for ch in part)]


def windows(text: str) -> list[str]:
    """Return normalised text as the members read it: whole when short, else in windows that overlap by half.

    A window holds about ``WINDOW_WORDS`` words in whole sentences; one that was there before is left out. Nothing is
    left unread: those of a very long text, unless it says the same again and again, begin where the last one ended.
    """
    parts = sentences(text)
    found = _cut(parts, overlap=True)
    return found if sum(map(len, found)) <= _MOST_OVERLAPPING else _cut(parts, overlap=False)


def _cut(parts: list[str], *, overlap: bool) -> list[str]:
    lengths = [len(part.split()) for part in parts]
    found: list[str] = []
    start = 0
    while start < len(parts):
        end, size = start + 1, lengths[start]
        while end < len(parts) and size + lengths[end] <= WINDOW_WORDS:
            size += lengths[end]
            end += 1
        found.append(" ".join(parts[start:end]))
        start = start + max(1, (end - start) // 2) if overlap and end < len(parts) else end
    return list(dict.fromkeys(found))


def plain_words(text: str) -> list[str]:
    """Return the words of ``text`` without accents and punctuation, as the n-gram features read them."""
    return _BARE.findall(fold_accents(text.replace("'", "")))


@lru_cache(maxsize=1)
def load_normaliser(path: Path = LEXICON_FILE) -> Normaliser:
    """Return the normaliser over the committed word list; raises OSError when it is missing."""
    guarded = read_table("guarded")
    return Normaliser(Lexicon.load(path, [*guarded["masked_first"], *guarded["also_known"]]))
