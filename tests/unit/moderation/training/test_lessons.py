"""What a network is shown: the danger between ordinary sentences at every place, and what disguises leave of a text."""

import random
from dataclasses import dataclass

from services.moderation.model.categories import CATEGORIES
from services.moderation.training.data import Row
from services.moderation.training.lessons import Lesson, Stage, Texts

_DANGER, _CALM = "i will hurt him", tuple(f"we have practice at {hour}" for hour in range(40))
_MOST = 112


@dataclass(frozen=True, slots=True)
class _Words:
    """Cuts a text at its spaces and numbers each word that it meets."""

    known: list[str]

    def numbers(self, text: str, most: int) -> list[int]:
        for word in text.split():
            if word not in self.known:
                self.known.append(word)
        return [0, *map(self.known.index, text.split()), 0][:most]


def _shown(guessed: dict[str, str], padded: float) -> list[list[str]]:
    rows = [Row(text, (0.0,) * len(CATEGORIES), "corpus/x", kind="benign") for text in _CALM]
    rows += [Row(_DANGER, (1.0,) * len(CATEGORIES), "corpus/x", kind="danger")]
    words = _Words(["", "?"])
    lesson = Lesson(rows, Texts({row.text: row.text for row in rows}, guessed), words, 1)
    stage = Stage("any", 1, 1e-4, 0, 0, _MOST, padded, 1.0, 0.0, 0.0, 0, False)
    chance = random.Random(3)
    examples = [each for _ in range(200) for batch in lesson.batches(stage, chance) for each in batch]
    return [[words.known[number] for number in each.numbers[1:-1]] for each in examples if each.labels[0] == 1]


def test_danger_stands_before_after_and_between_ordinary_sentences_within_one_window() -> None:
    shown = [[word.rstrip(".") for word in words] for words in _shown({}, 1.0)]
    whole = [words for words in shown if "?" not in words and " ".join(words).count(_DANGER)]
    assert {words[:2] == ["i", "will"] for words in whole} == {True, False}
    assert {words[-2:] == ["hurt", "him"] for words in whole} == {True, False}
    assert any(words[0] == "we" and words[-1].isdigit() for words in whole)
    assert max(map(len, shown)) <= 56


def test_some_lines_are_shown_as_their_disguise_leaves_them() -> None:
    shown = [" ".join(words) for words in _shown({_DANGER: "i will hart him"}, 0.0)]
    assert 5 < sum("hart" in text for text in shown) < 60
