"""Reads the two kinds of data: public files (some labels unknown) and our own corpus (all ten labels known)."""

import gzip
import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.categories import CATEGORIES

CORPUS = Path(__file__).with_name("corpus")
PUBLIC_DEV_SHARE = 16
_MOST_PER_FILE = 1_300
_MOST_OF = {
    "school_train": 3_500,
    "civil_spans": 3_500,
    "davidson": 1_600,
    "hatemoji_build": 5_300,
    "edos": 2_800,
    "goemotions": 9_000,
    "clinc150": 3_000,
    "uci_sms": 6_000,
    "cssrs_posts": 900,
    "stormfront": 1_800,
    "paradetox": 1_800,
    "jigsaw_wiki": 1_600,
    "positive_frames": 2_200,
    "counsel_chat": 500,
    "banking77": 500,
}
OWN_WEIGHT, _HARD_NEGATIVE_WEIGHT = 1.5, 2.15
_WEIGHT = {
    "school_train": 0.7,
    "surge_lexicon": 0.6,
    "ldnoobw": 0.6,
    "counsel_chat": 0.5,
    "cssrs_posts": 0.35,
    "positive_frames": 0.6,
    "uci_sms": 1.2,
    "goemotions": 1.2,
    "clinc150": 1.2,
    "banking77": 1.2,
}
_TOXICITY, _SEVERE, _THREAT = (CATEGORIES.index(name) for name in ("toxicity", "severe_toxicity", "threat"))


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled message; ``labels`` follows CATEGORIES, nan where not known; a public row's ``kind`` is "public"."""

    text: str
    labels: tuple[float, ...]
    source: str
    lang: str = "en"
    kind: str = "public"
    pair: str | None = None
    split: str = "train"
    weight: float = field(default=1.0, compare=False)

    @property
    def group(self) -> str:
        """Rows of one group never lie on both sides of a fold: a pair belongs together."""
        return self.pair or self.text.lower()


def fold_of(text: str, folds: int) -> int:
    """Return a fold number that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % folds


def read_corpus(folder: Path = CORPUS) -> list[Row]:
    """Return our own messages; raises ValueError on an unknown category, so that a slip in a file is seen at once."""
    rows = [_corpus_row(line, path) for path in sorted(folder.glob("*.jsonl")) for line in _lines(path)]
    seen: dict[str, Row] = {}
    for row in rows:
        seen.setdefault(row.text, row)
    return list(seen.values())


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if line.strip())


def _corpus_row(line: str, path: Path) -> Row:
    item = json.loads(line)
    unknown = set(item["labels"]) - set(CATEGORIES)
    if unknown:
        raise ValueError(f"{path.name}: unknown categories {sorted(unknown)}")
    labels = [float(name in item["labels"]) for name in CATEGORIES]
    if labels[_THREAT] and not labels[_TOXICITY]:
        # The first lines of the corpus called no threat toxic; the later ones, and the rules, call hostile ones so.
        # A threat without the label therefore says nothing about it.
        labels[_TOXICITY] = labels[_SEVERE] = float("nan")
    return Row(
        item["text"],
        tuple(labels),
        f"corpus/{path.stem}",
        item["lang"],
        item["kind"],
        item.get("pair") or None,
        item["split"],
        _HARD_NEGATIVE_WEIGHT if item["kind"] == "hard_negative" else OWN_WEIGHT,
    )


def read_public(folder: Path) -> list[Row]:
    """Return a varied sample of the public files, the held-out slice marked ``dev`` by a hash of the text."""
    rows: list[Row] = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        name = path.name.split(".")[0]
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found = [_public_row(json.loads(line), name) for line in file]
        rows += _sample(found, _MOST_OF.get(name, _MOST_PER_FILE))
    return rows


def _public_row(item: dict[str, object], name: str) -> Row:
    given = item["labels"]
    if not isinstance(given, dict):
        raise TypeError("labels are an object")
    labels = tuple(float("nan") if given[c] is None else float(given[c]) for c in CATEGORIES)
    text = str(item["text"])
    source = str(item["source"])
    lang = next((code for code in ("es", "fr", "pt", "ht") if source.endswith(f"_{code}")), "en")
    split = "dev" if fold_of(text, PUBLIC_DEV_SHARE) == 0 else "train"
    return Row(text, labels, name, lang, split=split, weight=_WEIGHT.get(name, 1.0))


def _sample(rows: list[Row], most: int) -> list[Row]:
    """Keep rare positives first, then fill up at random (the same rows every time)."""
    shuffled = sorted(rows, key=lambda row: hashlib.sha256(row.text.encode()).digest())
    kept: dict[str, Row] = {}
    for column in (6, 7, 8, 5, 9, 1, 4):
        positive = [row for row in shuffled if row.labels[column] == 1.0]
        kept.update((row.text, row) for row in positive[: most // 3])
    for row in shuffled:
        if len(kept) >= most:
            break
        kept.setdefault(row.text, row)
    return list(kept.values())


def part_of(rows: list[Row], most: int | None) -> list[Row]:
    """Return at most ``most`` train rows, chosen by their groups alone so that pairs stay whole, and all dev rows.

    The dev rows are few, and fewer would leave categories without an example to weigh them by.
    """
    if most is None:
        return rows
    chosen = sorted(rows, key=lambda row: (hashlib.sha256(row.group.encode()).digest(), row.text))
    return [row for row in chosen if row.split == "train"][:most] + [row for row in chosen if row.split == "dev"]


def label_matrix(rows: Iterable[Row]) -> NDArray[np.float32]:
    """Return (rows, ten) labels with nan where not known."""
    return np.array([row.labels for row in rows], dtype=np.float32)


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    """Return the rows in an order that depends on the seed alone."""
    order = list(rows)
    random.Random(seed).shuffle(order)
    return order
