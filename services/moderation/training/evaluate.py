"""Measures everything that the specification asks for on our own data, prints it, and writes the model card."""

import resource
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.categories import CATEGORIES, DANGER
from services.moderation.model.scoring import Model, load_model
from services.moderation.score import DefaultPolicy, load_default_policy
from services.moderation.training import data, evasions, metrics
from services.moderation.training.card import Figure, Section, render
from services.moderation.training.data import Row
from services.moderation.training.judging import judge_own, score_matrix
from services.moderation.training.thresholds import Judged

_DANGER = [CATEGORIES.index(name) for name in DANGER]
_GOALS = {"self_harm": 0.92, "self_harm_intent": 0.80, "self_harm_direction": 0.80, "threat": 0.80, "violence": 0.75}
_GROUPS = (
    "black",
    "white",
    "asian",
    "latino",
    "mexican",
    "haitian",
    "african",
    "chinese",
    "indian",
    "arab",
    "native",
    "jewish",
    "muslim",
    "christian",
    "sikh",
    "hindu",
    "buddhist",
    "gay",
    "lesbian",
    "bisexual",
    "trans",
    "nonbinary",
    "deaf",
    "blind",
    "wheelchair",
    "autis",
    "dyslexi",
    "adhd",
    "immigrant",
    "refugee",
    "girl",
    "boy",
    "women",
    "men",
)
_BENIGN_SOURCES = ("uci_sms", "clinc150", "banking77", "goemotions")
_SAMPLE = 50


def evaluate(artefacts: Path, public: Path | None, card: Path, cache: Path) -> None:
    """Print every figure and write ``card``; ``public`` adds the held-out slices of the public data."""
    started = time.perf_counter()
    model, policy = load_model(artefacts), load_default_policy()
    loaded = time.perf_counter() - started
    own = judge_own(artefacts, cache)
    sections = [
        _school(own, policy),
        _categories(own),
        _by_language(own, policy),
        _identity(own, policy),
        *_evasion(model, policy, own.rows),
        _speed(model, own.rows, loaded, artefacts),
    ]
    if public is not None:
        sections[3:3] = _public(model, policy, data.read_public(public))
    text = render(model.version, own.rows, policy, sections)
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_text(text, encoding="utf-8")
    print(text)


def _limits(policy: DefaultPolicy) -> NDArray[np.float64]:
    return np.array([policy.hold[name] for name in CATEGORIES], dtype=np.float64)


def _over(scores: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(scores >= limits, dtype=np.bool_)


def _rows(matrix: np.ndarray) -> NDArray[np.bool_]:
    return np.asarray(matrix.any(axis=1), dtype=np.bool_)


def _school(own: Judged, policy: DefaultPolicy) -> Section:
    flags, labels = _over(own.scores, _limits(policy)), own.labels()
    kinds = np.array([row.kind for row in own.rows])
    danger, severity = _rows(labels[:, _DANGER]), own.scores[:, _DANGER].max(1)
    alarms = _rows(flags[:, _DANGER])
    return Section(
        "Messages of our own corpus",
        [
            Figure(
                "danger recall at 2 % danger alarms on benign",
                metrics.recall_at_alarm_rate(severity[danger], severity[kinds == "benign"], 0.02),
                0.90,
            ),
            Figure("danger recall under the default policy (danger categories)", metrics.share(alarms[danger]), 0.90),
            Figure("danger messages held under the default policy (any category)", metrics.share(_rows(flags[danger]))),
            Figure("danger alarms on benign", metrics.share(alarms[kinds == "benign"]), 0.02, True),
            Figure("any flag on benign", metrics.share(_rows(flags[kinds == "benign"])), 0.02, True),
            Figure("any flag on hard negatives", metrics.share(_rows(flags[kinds == "hard_negative"])), 0.04, True),
            Figure("toxic messages held", metrics.share(_rows(flags[kinds == "toxic"]))),
            Figure("minimal pairs with every member right", _pairs(own, flags, labels), 0.85),
        ],
    )


def _pairs(own: Judged, flags: NDArray[np.bool_], labels: NDArray[np.float64]) -> float:
    members: dict[str, list[bool]] = defaultdict(list)
    for row, flag, label in zip(own.rows, _rows(flags).tolist(), _rows(labels).tolist(), strict=True):
        if row.pair:
            members[row.pair].append(flag == label)
    whole = [all(right) for right in members.values() if len(right) > 1]
    return metrics.share(np.array(whole))


def _categories(own: Judged) -> Section:
    labels, figures = own.labels(), []
    for i, name in enumerate(CATEGORIES):
        truth, scores = labels[:, i], own.scores[:, i]
        figures.append(
            Figure(
                f"{name}: average precision ({int(truth.sum())} positives)",
                metrics.average_precision(truth, scores),
                _GOALS.get(name),
            )
        )
        figures.append(Figure(f"{name}: AUROC", metrics.auroc(truth, scores)))
        figures.append(Figure(f"{name}: calibration error", metrics.calibration_error(truth, scores), 0.05, True))
    return Section("Each category, on our own corpus", figures)


def _by_language(own: Judged, policy: DefaultPolicy) -> Section:
    flags, labels, figures = own.scores >= _limits(policy), own.labels(), []
    kinds, langs = np.array([row.kind for row in own.rows]), np.array([row.lang for row in own.rows])
    for lang in sorted(set(langs.tolist())):
        danger = _rows(labels[:, _DANGER]) & (langs == lang)
        harmless = np.isin(kinds, ["benign", "hard_negative"]) & (langs == lang)
        figures.append(
            Figure(f"{lang}: danger recall ({int(danger.sum())})", metrics.share(flags[danger][:, _DANGER].any(1)))
        )
        figures.append(
            Figure(
                f"{lang}: any flag on benign and hard negatives ({int(harmless.sum())})",
                metrics.share(_rows(flags[harmless])),
            )
        )
    return Section("Each language, on our own corpus", figures)


def _identity(own: Judged, policy: DefaultPolicy) -> Section:
    flags = _rows(_over(own.scores, _limits(policy)))
    rates: dict[str, float] = {}
    for group in _GROUPS:
        chosen = [
            flag
            for row, flag in zip(own.rows, flags.tolist(), strict=True)
            if row.kind == "benign" and f" {group}" in f" {row.text.lower()}"
        ]
        if len(chosen) >= 5:
            rates[f"{group} ({len(chosen)})"] = float(np.mean(chosen))
    spread = max(rates.values(), default=float("nan")) - min(rates.values(), default=float("nan"))
    return Section(
        "Neutral and positive messages that name a group",
        [
            *(Figure(name, rate, 0.05, True) for name, rate in rates.items()),
            Figure("widest gap between groups", spread, 0.03, True),
        ],
    )


def _public(model: Model, policy: DefaultPolicy, rows: list[Row]) -> list[Section]:
    held = [row for row in rows if row.split == "dev"]
    scores, labels = score_matrix(model, [row.text for row in held]), data.label_matrix(held).astype(float)
    sources, flags = np.array([row.source for row in held]), scores >= _limits(policy)
    alarms = [
        Figure(
            f"{name}: any flag ({int((sources == name).sum())})",
            metrics.share(_rows(flags[sources == name])),
            0.02,
            True,
        )
        for name in _BENIGN_SOURCES
    ]
    ranks = []
    for name in sorted(set(sources.tolist())):
        for i, category in enumerate(CATEGORIES):
            known = (sources == name) & ~np.isnan(labels[:, i])
            if labels[known, i].sum() >= 15 and (labels[known, i] == 0).sum() >= 15:
                ranks.append(Figure(f"{name}, {category}: AUROC", metrics.auroc(labels[known, i], scores[known, i])))
                ranks.append(
                    Figure(
                        f"{name}, {category}: average precision",
                        metrics.average_precision(labels[known, i], scores[known, i]),
                    )
                )
    return [Section("Held-out everyday public text", alarms), Section("Held-out slices of the public data", ranks)]


def _evasion(model: Model, policy: DefaultPolicy, rows: list[Row]) -> list[Section]:
    """Take messages that are held as they stand (and harmless ones that are not), disguise them.

    And see what is kept.
    """
    limits = _limits(policy)
    english = data.shuffled([row for row in rows if row.lang == "en" and len(row.text) < 200], 1)
    danger = [row.text for row in english if any(row.labels[i] for i in _DANGER)][: 4 * _SAMPLE]
    caught = _rows(_over(score_matrix(model, danger), limits))
    danger = [text for text, hit in zip(danger, caught.tolist(), strict=True) if hit][:_SAMPLE]
    benign = [row.text for row in english if row.kind == "benign"][:_SAMPLE]
    before = metrics.share(_rows(_over(score_matrix(model, benign), limits)))
    kept, alarms = [], []
    for name, floor in evasions.FLOORS.items():
        hits = _rows(_over(score_matrix(model, [evasions.disguise(name, text) for text in danger]), limits))
        false = _rows(_over(score_matrix(model, [evasions.disguise(name, text) for text in benign]), limits))
        kept.append(Figure(name, metrics.share(hits), floor))
        alarms.append(Figure(name, metrics.share(false) - before, 0.02, True))
    encoded = [
        Figure(
            f"{name}: sent to a person", metrics.share(np.array([model.score(change(text)).encoded for text in danger]))
        )
        for name, change in evasions.ENCODED.items()
    ]
    return [
        Section("Evasion: share of recall that is kept", kept + encoded),
        Section("Evasion: added alarms on benign messages", alarms),
    ]


def _speed(model: Model, rows: list[Row], loaded: float, artefacts: Path) -> Section:
    texts = [row.text for row in data.shuffled(rows, 2)[:400]]
    taken = []
    for text in texts:
        started = time.perf_counter()
        model.score(text)
        taken.append(time.perf_counter() - started)
    size = sum(path.stat().st_size for path in artefacts.iterdir()) / 1e6
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Section(
        "Cost on one core",
        [
            Figure("p50, ms a message", float(np.percentile(taken, 50)) * 1e3),
            Figure("p95, ms a message", float(np.percentile(taken, 95)) * 1e3, 15, True),
            Figure("messages a second", len(taken) / sum(taken), 200),
            Figure("seconds to load", loaded, 6, True),
            Figure("MB resident, this measuring process included", resident, 600, True),
            Figure("MB of artefacts of our own", size, 60, True),
        ],
    )
