"""What a network learns from: rows cut into pieces, disguised a little, in batches of like length."""

import random
from dataclasses import dataclass, replace

from services.moderation.model.reader import Pieces
from services.moderation.training.data import Row

BATCH = 32
_UNSEEN_PIECES, _SLIPS, _DISGUISED = 0.06, 0.12, 0.10
_PADDING_SENTENCES, _PADDED_WORDS = (1, 1, 1, 2, 2, 3), 56
EVERYDAY = ("uci_sms", "clinc150", "banking77", "goemotions", "positive_frames")


@dataclass(frozen=True, slots=True)
class Example:
    """One row as the network reads it: piece numbers, labels (nan where not known), weight, the pair it belongs to."""

    numbers: list[int]
    labels: tuple[float, ...]
    weight: float
    pair: str | None


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the stages of fine-tuning.

    ``passes`` over its rows at the highest learning rate ``rate``; ``public_rows`` of any kind and ``everyday_rows`` of
    ordinary talk sampled anew for each pass beside all our own, or None for all public rows and none of our own;
    texts cut at ``most_pieces``; the share ``padded``
    of rows gets ordinary talk around it; ``parting`` is the say of the loss that parts the two of a minimal pair (0
    for none), ``kept`` the share of the weights from before the stage in those after it. ``frozen_layers`` stay as they
    are, and so do the word embeddings unless ``moves_words``.
    """

    name: str
    passes: float
    rate: float
    public_rows: int | None
    everyday_rows: int
    most_pieces: int
    padded: float
    public_weight: float
    parting: float
    kept: float
    frozen_layers: int
    moves_words: bool


@dataclass(frozen=True, slots=True)
class Texts:
    """What the rows read as once normalised, by their raw text.

    ``guessed`` is what some of them read as when they come in a disguise that leaves the normaliser guessing.
    """

    said: dict[str, str]
    guessed: dict[str, str]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Rows with their texts, and what cuts those into pieces; ``unknown`` is the mark of an unseen piece."""

    rows: list[Row]
    texts: Texts
    pieces: Pieces
    unknown: int

    def of(self, langs: frozenset[str]) -> "Lesson":
        """Return the rows in these languages."""
        return replace(self, rows=[row for row in self.rows if row.lang in langs])

    def batches(self, stage: Stage, chance: random.Random) -> list[list[Example]]:
        """Return one pass over the stage's rows in batches; the members of a pair are side by side."""
        public = [row for row in self.rows if row.kind == "public"]
        if stage.public_rows is None:
            groups = [[row] for row in public]
        else:
            own: dict[str, list[Row]] = {}
            for row in self.rows:
                if row.kind != "public":
                    own.setdefault(row.group, []).append(row)
            ordinary = [row for row in public if row.source in EVERYDAY]
            sample = _sample(public, stage.public_rows, chance) + _sample(ordinary, stage.everyday_rows, chance)
            groups = [*own.values(), *([row] for row in dict.fromkeys(sample))]
        benign = [self.texts.said[row.text] for row in self.rows if _is_small_talk(row)]
        return _in_batches([[self._example(row, stage, benign, chance) for row in group] for group in groups], chance)

    def _example(self, row: Row, stage: Stage, benign: list[str], chance: random.Random) -> Example:
        text = self.texts.said[row.text]
        if chance.random() < _DISGUISED:
            text = self.texts.guessed.get(row.text, text)
        if row.kind != "public" or chance.random() < 0.5:
            if chance.random() < stage.padded:
                text = _padded(text, benign, chance)
            if chance.random() < _SLIPS:
                text = _slipped(text, chance)
        start, *inside, end = self.pieces.numbers(text, stage.most_pieces)
        if chance.random() < 0.5:
            inside = [self.unknown if chance.random() < _UNSEEN_PIECES else number for number in inside]
        weight = row.weight * (stage.public_weight if row.kind == "public" else 1.0)
        return Example([start, *inside, end], row.labels, weight, row.pair)


def _sample(rows: list[Row], most: int, chance: random.Random) -> list[Row]:
    return chance.sample(rows, min(most, len(rows)))


def _is_small_talk(row: Row) -> bool:
    if row.kind == "public":
        return row.source in ("goemotions", "uci_sms", "clinc150") and len(row.text) < 120
    return row.kind == "benign" and len(row.text) < 160


def _padded(text: str, benign: list[str], chance: random.Random) -> str:
    """Put ordinary sentences before the text, after it or around it, as many as one window holds.

    What it says stays what it says.
    """
    place, room = chance.choice(("before", "before", "after", "after", "around")), _PADDED_WORDS - len(text.split())
    before: list[str] = []
    after: list[str] = []
    for sentence in chance.choices(benign, k=chance.choice(_PADDING_SENTENCES)):
        room -= len(sentence.split())
        if room < 0:
            break
        is_first = place == "before" or (place == "around" and chance.random() < 0.5)
        (before if is_first else after).append(sentence)
    return _joined([*before, text, *after], chance)


def _joined(parts: list[str], chance: random.Random) -> str:
    """Return the parts as one text; some writers end a sentence with a full stop, some do not."""
    ends = (part if part[-1:] in ".!?…" or chance.random() < 0.5 else f"{part}." for part in parts[:-1])
    return " ".join([*ends, parts[-1]])


def _slipped(text: str, chance: random.Random) -> str:
    words = text.split()
    for i in chance.sample(range(len(words)), (len(words) + 11) // 12):
        words[i] = slip(words[i], chance)
    return " ".join(words)


def slip(word: str, chance: random.Random) -> str:
    """Return ``word`` with a letter dropped, doubled or swapped with its neighbour; short words and signs stay."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = chance.randrange(1, len(word) - 1)
    return chance.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )


def _in_batches(groups: list[list[Example]], chance: random.Random) -> list[list[Example]]:
    """Put groups of like length together, so that little of a batch is padding; the batches come in random order."""
    groups.sort(key=lambda group: max(len(example.numbers) for example in group) + chance.random() * 6)
    batches: list[list[Example]] = [[]]
    for group in groups:
        if len(batches[-1]) >= BATCH:
            batches.append([])
        batches[-1] += group
    chance.shuffle(batches)
    return batches
