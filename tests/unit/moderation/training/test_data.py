"""What a training run reads: a small part of the rows must be a fair one."""

import re

from services.moderation.training.data import part_of, read_corpus


def test_a_part_is_the_same_each_time_and_keeps_pairs_together() -> None:
    rows = read_corpus()
    part = part_of(rows, 400)
    assert part == part_of(list(reversed(rows)), 400)
    train = [row for row in part if row.split == "train"]
    assert len(train) == 400
    pairs = [row.pair for row in train if row.pair]
    assert sum(pairs.count(pair) == 1 for pair in set(pairs)) <= 1
    assert len(part) - len(train) == sum(row.split == "dev" for row in rows)


def test_no_train_line_is_near_a_line_that_judges() -> None:
    """No six words in a row are shared, however they are written and punctuated."""
    rows = read_corpus()
    judging = {run for row in rows if row.split == "dev" for run in _sixes(row.text)}
    near = [row.text for row in rows if row.split == "train" and _sixes(row.text) & judging]
    assert near == []


def _sixes(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"[^\W_]+", re.sub("['’]", "", text.lower()))
    return {tuple(words[i : i + 6]) for i in range(len(words) - 5)}
