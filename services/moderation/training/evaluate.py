"""Measures everything that the specification asks for on our own data, prints it, and writes the model card.

Dev messages are never learnt from. The mixture and the thresholds are fitted on them, so the figures here are taken
crosswise: each half is judged with the mixture and the policy that the other half gave.
"""

import resource
import time
from pathlib import Path

import numpy as np

from services.moderation.model.artefact import verify
from services.moderation.model.categories import CATEGORIES, DANGER_COLUMNS
from services.moderation.model.scoring import Model, load_model
from services.moderation.score import DefaultPolicy, load_default_policy
from services.moderation.training import data, evasions, metrics, sections
from services.moderation.training.card import Figure, Section, render
from services.moderation.training.data import Row
from services.moderation.training.judging import Heard, Judged, hear, score_rows
from services.moderation.training.mixing import fit_mixtures
from services.moderation.training.probes import probes
from services.moderation.training.settling import Places
from services.moderation.training.thresholds import (
    DANGER_BUDGET,
    STRICT_BUDGET,
    Budget,
    choose,
    limits_of,
)

_SAMPLE = 150
_HALVES = 2


def evaluate(places: Places, card: Path) -> None:
    """Print every figure and write ``card``."""
    version = verify(places.out)
    started = time.perf_counter()
    model, policy = load_model(places.out), load_default_policy(places.policy)
    loaded = time.perf_counter() - started
    own, held_out = (hear(model.parts, [row for row in rows if row.split == "dev"]) for rows in places.rows())
    school, everyday = judge_crosswise(own, held_out)
    strict = judge_crosswise(own, held_out, STRICT_BUDGET)
    named = probes()
    neutral = judge(model, policy, [Row(text, (0.0,) * len(CATEGORIES), "probe", lang) for _, lang, text in named])
    figures = [
        sections.school(school),
        sections.fresh(school),
        sections.trade(*strict),
        sections.categories(school),
        sections.languages(school),
        sections.hostility(school),
        sections.everyday(everyday),
        sections.groups([group for group, _, _ in named], neutral),
        *_evasion(model, policy, [each.row for each in own]),
        _speed(model, [each.row for each in own], loaded, places.out),
        sections.ranking(everyday),
    ]
    text = render(version, [each.row for each in own], policy, figures)
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_text(text, encoding="utf-8")
    print(text)


def judge_crosswise(own: list[Heard], public: list[Heard], danger: Budget = DANGER_BUDGET) -> tuple[Judged, Judged]:
    """Return our own and public rows, each half judged with what the other half gave; pairs stay together."""
    heard = own + public
    half = np.array([data.fold_of(each.row.group, _HALVES) for each in heard])
    scores = np.zeros((len(heard), len(CATEGORIES)))
    held = np.zeros((len(heard), len(CATEGORIES)), dtype=bool)
    for number in range(_HALVES):
        learnt = [each for each, mine in zip(heard, half.tolist(), strict=True) if mine != number]
        judged = [each for each, mine in zip(heard, half.tolist(), strict=True) if mine == number]
        mixtures = fit_mixtures(learnt)
        policy = choose([each.row for each in learnt], score_rows(learnt, mixtures), danger)
        scores[half == number] = score_rows(judged, mixtures)
        held[half == number] = scores[half == number] >= limits_of(policy)
    rows = [each.row for each in heard]
    at = len(own)
    return Judged(rows[:at], scores[:at], held[:at]), Judged(rows[at:], scores[at:], held[at:])


def judge(model: Model, policy: DefaultPolicy, rows: list[Row]) -> Judged:
    """Return the rows with the scores of the whole model and what the default policy holds."""
    scores = np.array([list(model.score(row.text, row.lang).as_dict().values()) for row in rows])
    scores = scores.reshape(len(rows), len(CATEGORIES))
    return Judged(rows, scores, scores >= limits_of(policy))


def _evasion(model: Model, policy: DefaultPolicy, rows: list[Row]) -> list[Section]:
    """Take messages that are held as they stand (and harmless ones), disguise them, and see what is kept."""
    english = data.shuffled([row for row in rows if row.lang == "en" and len(row.text) < 200], 1)
    danger = [row for row in english if row.kind == "danger"][: 2 * _SAMPLE]
    caught = metrics.any_of(judge(model, policy, danger).held[:, DANGER_COLUMNS])
    danger = [row for row, hit in zip(danger, caught.tolist(), strict=True) if hit][:_SAMPLE]
    benign = [row for row in english if row.kind == "benign"][:_SAMPLE]
    before = sections.any_flag(judge(model, policy, benign))
    kept, alarms = [], []
    for name, floor in evasions.FLOORS.items():
        kept.append(Figure(name, sections.any_flag(judge(model, policy, evasions.disguised(name, danger))), floor))
        added = sections.any_flag(judge(model, policy, evasions.disguised(name, benign))) - before
        alarms.append(Figure(name, added, 0.02, True))
    for name, change in evasions.ENCODED.items():
        sent = [model.score(change(row.text)).encoded for row in danger]
        kept.append(Figure(f"{name}: sent to a person", metrics.share(np.array(sent, dtype=bool))))
    return [
        Section("Evasion: share of recall that is kept", kept),
        Section("Evasion: added alarms on benign messages", alarms),
    ]


def _speed(model: Model, rows: list[Row], loaded: float, artefacts: Path) -> Section:
    taken = _seconds(model, data.shuffled(rows, 2)[:500])
    ordinary = _seconds(model, [row for row in data.shuffled(rows, 2) if row.kind == "benign"])
    size = sum(path.stat().st_size for path in artefacts.iterdir()) / 1e6
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Section(
        "Cost on one core, in the processor's time",
        [
            Figure("p50, ms a message", float(np.percentile(taken, 50)) * 1e3),
            Figure("p95, ms a message", float(np.percentile(taken, 95)) * 1e3, 15, True),
            Figure("ordinary messages a second", len(ordinary) / sum(ordinary), 200),
            Figure("dev messages a second, two in three dangerous, toxic or nearly", len(taken) / sum(taken)),
            Figure("seconds to load", loaded, 6, True),
            Figure("MB resident, this measuring process included", resident, 600, True),
            Figure("MB of artefacts of our own", size, 60, True),
        ],
    )


def _seconds(model: Model, rows: list[Row]) -> list[float]:
    """Return what each message takes by the processor's clock: what else the machine does hardly lengthens it."""
    taken = []
    for row in rows:
        started = time.process_time()
        model.score(row.text, row.lang)
        taken.append(time.process_time() - started)
    return taken
