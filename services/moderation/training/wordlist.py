"""Counts the words of all training text into the word list that the normaliser holds its guesses against."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path

from services.moderation.model.letters import fold_accents
from services.moderation.model.lexicon import frequent_words
from services.moderation.training.data import Row

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_WHOLE_PIECE = re.compile(r"▁([a-zà-öø-ÿ]{4,16})")
_STRETCHED = re.compile(r"(.)\1\1")
_LEAST_PUBLIC, _LEAST_OWN, _MOST_WORDS, _MOST_PIECES = 6, 2, 32_000, 60_000
_LEFT_OUT = {"school_train", "surge_lexicon", "ldnoobw"}


def build_word_list(public: Path, corpus: list[Row], pieces: list[str]) -> list[str]:
    """Return the known words, most frequent first; the made-up and lexicon-only files do not count.

    Last come whole words among the first pieces of the multilingual network: they are known in other languages, so
    that no Spanish word is taken for a misspelt English one.
    """
    own: Counter[str] = Counter()
    for row in corpus:
        if row.split == "train":
            own.update(_words(row.text))
    counts = _count_public(public)
    kept = Counter({word: count for word, count in counts.items() if count >= _LEAST_PUBLIC})
    for word, count in own.items():
        if count >= _LEAST_OWN or counts[word] >= 2:
            kept[word] += 10 * count
    counted = frequent_words(kept, _LEAST_PUBLIC, _MOST_WORDS)
    whole = [match.group(1) for piece in pieces[:_MOST_PIECES] if (match := _WHOLE_PIECE.fullmatch(piece))]
    return list(dict.fromkeys([*counted, *whole]))


def _count_public(public: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for path in sorted(public.glob("*.jsonl.gz")):
        if path.name.split(".")[0] in _LEFT_OUT:
            continue
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                counts.update(_words(json.loads(line)["text"]))
    return counts


def _words(text: str) -> list[str]:
    found = _WORD.findall(text.lower())
    return [form for word in found if not _STRETCHED.search(word) for form in {word, fold_accents(word)}]
