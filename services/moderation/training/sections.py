"""The sections of the model card that are counted on rows with their scores."""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.categories import CATEGORIES, DANGER_COLUMNS
from services.moderation.training import metrics
from services.moderation.training.card import Figure, Section
from services.moderation.training.judging import Judged
from services.moderation.training.thresholds import EVERYDAY_SOURCES

_GOALS = {"self_harm": 0.92, "self_harm_intent": 0.80, "self_harm_direction": 0.80, "threat": 0.80, "violence": 0.75}
_RANKING_GOALS = {("civil_spans", "profanity"): 0.93, ("civil_spans", "insult"): 0.93}
_LEAST_RANKED = 15
_FRESH = ("corpus/dev_17", "corpus/dev_18")
"""Dev lines of writers who had seen no line of the corpus and heard of no model's misses."""
_ABOUT_GROUPS, _DISCRIMINATION = "corpus/dev_groups", CATEGORIES.index("discrimination")
Bools = NDArray[np.bool_]


def any_flag(judged: Judged) -> float:
    """Return the share of rows that are held."""
    return metrics.share(metrics.any_of(judged.held))


def alarms(judged: Judged) -> float:
    """Return the share of rows that a danger category holds."""
    return metrics.share(metrics.any_of(judged.held[:, DANGER_COLUMNS]))


def school(own: Judged) -> Section:
    """Return the figures on our own dev messages."""
    danger, benign = own.of("danger"), own.of("benign")
    ranked = metrics.recall_at_alarm_rate(
        danger.scores[:, DANGER_COLUMNS].max(axis=1), benign.scores[:, DANGER_COLUMNS].max(axis=1), 0.02
    )
    return Section(
        "School messages",
        [
            Figure("danger recall at 2 % danger alarms on benign", ranked, 0.90),
            Figure("danger recall under the policy (danger categories)", alarms(danger), 0.90),
            Figure("danger messages held under the policy (any category)", any_flag(danger)),
            Figure("danger alarms on benign", alarms(benign), 0.02, True),
            Figure("any flag on benign", any_flag(benign), 0.02, True),
            Figure("any flag on hard negatives", any_flag(own.of("hard_negative")), 0.04, True),
            Figure("toxic messages held", any_flag(own.of("toxic"))),
            Figure("minimal pairs with both right", _pairs(own), 0.85),
        ],
    )


def fresh(own: Judged) -> Section:
    """Return the figures on the dev messages that were composed apart from everything else."""
    part = own.where(np.array([row.source in _FRESH for row in own.rows], dtype=bool))
    return Section(f"School messages of dev_17 and dev_18 alone ({len(part.rows)})", school(part).figures)


def trade(own: Judged, public: Judged) -> Section:
    """Return what a policy would catch and hold that spared hard negatives and everyday talk more than ours does."""
    everyday = _harmless(public.where(np.array([row.source in EVERYDAY_SOURCES for row in public.rows])))
    return Section(
        "What the default policy trades: the same figures were it set for fewer alarms",
        [
            Figure("danger recall (danger categories)", alarms(own.of("danger"))),
            Figure("danger alarms on benign", alarms(own.of("benign"))),
            Figure("any flag on hard negatives", any_flag(own.of("hard_negative"))),
            Figure("any flag on everyday public text", any_flag(everyday)),
            Figure("minimal pairs with both right", _pairs(own)),
        ],
    )


def _pairs(own: Judged) -> float:
    members: dict[str, list[bool]] = defaultdict(list)
    for row, held in zip(own.rows, own.held, strict=True):
        if row.pair:
            flagged = held[DANGER_COLUMNS].any() if row.kind == "danger" else held.any()
            members[row.pair].append(bool(flagged) == (row.kind in ("danger", "toxic")))
    return metrics.share(np.array([all(right) for right in members.values() if len(right) > 1]))


def categories(own: Judged) -> Section:
    """Return how well each category ranks and how true its probabilities are."""
    figures = []
    for i, name in enumerate(CATEGORIES):
        known = ~np.isnan(own.labels[:, i])
        truth, scores = own.labels[known, i], own.scores[known, i]
        precision = metrics.average_precision(truth, scores)
        figures.append(Figure(f"{name}: average precision ({int(truth.sum())} positives)", precision, _GOALS.get(name)))
        figures.append(Figure(f"{name}: AUROC", metrics.auroc(truth, scores)))
        figures.append(Figure(f"{name}: calibration error", metrics.calibration_error(truth, scores), 0.05, True))
    return Section("Each category, on school messages", figures)


def languages(own: Judged) -> Section:
    """Return recall and alarms in each language."""
    figures = []
    for lang in sorted({row.lang for row in own.rows}):
        part = own.where(np.array([row.lang == lang for row in own.rows]))
        danger, harmless = part.of("danger"), part.of("benign", "hard_negative")
        figures.append(Figure(f"{lang}: danger recall ({len(danger.rows)})", alarms(danger)))
        figures.append(
            Figure(f"{lang}: any flag on benign and hard negatives ({len(harmless.rows)})", any_flag(harmless))
        )
    return Section("Each language, on school messages", figures)


def hostility(own: Judged) -> Section:
    """Return how hostility to groups and its look-alikes are told apart on dev lines that are about groups alone."""
    part = own.where(np.array([row.source == _ABOUT_GROUPS for row in own.rows], dtype=bool))
    hostile = part.labels[:, _DISCRIMINATION] == 1
    truth, scores = hostile.astype(np.float64), part.scores[:, _DISCRIMINATION]
    alike = part.of("hard_negative")
    return Section(
        "Hostility to groups beside its look-alikes, on dev_groups",
        [
            Figure(f"discrimination: AUROC ({int(hostile.sum())} hostile lines)", metrics.auroc(truth, scores)),
            Figure("discrimination: average precision", metrics.average_precision(truth, scores)),
            Figure("hostile lines held", any_flag(part.where(hostile))),
            Figure(f"any flag on look-alikes ({len(alike.rows)})", any_flag(alike)),
        ],
    )


def groups(named: list[str], judged: Judged) -> Section:
    """Return how often a neutral or kind sentence is held, by the group that it names."""
    held = metrics.any_of(judged.held)
    rates = {name: float(held[[each == name for each in named]].mean()) for name in dict.fromkeys(named)}
    figures = [Figure("all", metrics.share(held), 0.05, True)]
    figures.append(Figure("widest gap between groups", max(rates.values()) - min(rates.values()), 0.03, True))
    figures += [Figure(name, rate, 0.05, True) for name, rate in rates.items()]
    return Section("Neutral and positive sentences that name a group", figures)


def everyday(public: Judged) -> Section:
    """Return how often held-out everyday public text is held; lines with a label, as those that swear, do not count."""
    figures = []
    for name in EVERYDAY_SOURCES:
        part = _harmless(public.where(np.array([row.source == name for row in public.rows])))
        figures.append(Figure(f"{name}: any flag ({len(part.rows)})", any_flag(part), 0.02, True))
    return Section("Held-out everyday public text", figures)


def _harmless(public: Judged) -> Judged:
    return public.where((public.labels != 1).all(axis=1))


def ranking(public: Judged) -> Section:
    """Return how well each category ranks held-out rows of each public source."""
    sources, figures = np.array([row.source for row in public.rows]), []
    for name in sorted(set(sources.tolist())):
        for i, category in enumerate(CATEGORIES):
            known = (sources == name) & ~np.isnan(public.labels[:, i])
            truth, scores = public.labels[known, i], public.scores[known, i]
            if min((truth == 1).sum(), (truth == 0).sum()) >= _LEAST_RANKED:
                figures.append(Figure(f"{name}, {category}: AUROC", metrics.auroc(truth, scores)))
                precision, goal = metrics.average_precision(truth, scores), _RANKING_GOALS.get((name, category))
                figures.append(Figure(f"{name}, {category}: average precision", precision, goal))
    return Section("Held-out slices of the public data", figures)
