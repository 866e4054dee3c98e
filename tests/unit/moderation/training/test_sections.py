"""The card's figures on the dev lines about groups count those lines alone."""

import numpy as np

from services.moderation.model.categories import CATEGORIES
from services.moderation.training.data import Row
from services.moderation.training.judging import Judged
from services.moderation.training.sections import hostility

_DISCRIMINATION = CATEGORIES.index("discrimination")


def _judged(*lines: tuple[str, bool, float]) -> Judged:
    rows, scores = [], np.zeros((len(lines), len(CATEGORIES)))
    for number, (source, hostile, score) in enumerate(lines):
        labels = tuple(float(hostile and i == _DISCRIMINATION) for i in range(len(CATEGORIES)))
        rows.append(Row(f"line {number}", labels, source, kind="toxic" if hostile else "hard_negative", split="dev"))
        scores[number, _DISCRIMINATION] = score
    return Judged(rows, scores, scores >= 0.5)


def test_only_the_lines_about_groups_count() -> None:
    about, other = "corpus/dev_groups", "corpus/dev_01"
    section = hostility(
        _judged((about, True, 0.9), (about, True, 0.3), (about, False, 0.1), (about, False, 0.6), (other, False, 0.99))
    )
    assert [round(figure.value, 3) for figure in section.figures] == [0.75, 0.833, 0.5, 0.5]
    assert "2 hostile lines" in section.figures[0].name
