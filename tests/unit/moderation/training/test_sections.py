"""The card's figures count the lines that they are about, and have the goals that are set."""

import numpy as np

from services.moderation.model.categories import CATEGORIES
from services.moderation.training.data import Row
from services.moderation.training.judging import Judged
from services.moderation.training.sections import hostility, ranking

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


def test_insult_on_civil_spans_has_a_goal_and_a_miss_is_marked() -> None:
    scores = np.full((40, len(CATEGORIES)), 0.5)
    rows = [Row(f"line {n}", (float(n % 2),) * len(CATEGORIES), "civil_spans") for n in range(40)]
    figures = {each.name: each for each in ranking(Judged(rows, scores, scores > 1)).figures}
    insult = figures["civil_spans, insult: average precision"]
    assert (insult.goal, insult.met, figures["civil_spans, insult: AUROC"].goal) == (0.93, False, None)
    assert figures["civil_spans, profanity: average precision"].goal == 0.93
    assert figures["civil_spans, threat: average precision"].goal is None
