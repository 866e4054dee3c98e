"""Scores our own messages fairly: rows that the model learnt from are scored by a twin that had not.

Dev rows by the model itself.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.scoring import Model, apply_rules, load_model, read_mixture
from services.moderation.training.data import Row, read_corpus
from services.moderation.training.thresholds import Judged


def judge_unseen(artefacts: Path, cache: Path) -> Judged:
    """Return the cross-validated scores of the corpus's train part, as the training run left them in ``cache``."""
    mixture = read_mixture(artefacts)
    with np.load(cache / "unseen.npz") as file:
        stored = {key: file[key] for key in file.files}
    rows = {row.text: row for row in read_corpus()}
    texts = [rows.get(str(text)) for text in stored["texts"]]
    english = np.array([row is not None and row.lang in ("en", "ht") for row in texts])[stored["row"]]
    full = mixture.logits(stored["linear"], stored["heads"], stored["context"])
    logits = np.where(english[:, None], full, mixture.logits(stored["linear"], stored["heads"], None))
    chances = mixture.chances(logits, stored["alone"])
    found, scores = [], []
    for place in np.unique(stored["row"]).tolist():
        row, mine = texts[place], chances[stored["row"] == place]
        if row is not None and not np.isnan(mine).any():
            final = mine.max(axis=0)
            apply_rules(final, np.zeros(len(CATEGORIES), np.int64))
            found.append(row)
            scores.append(final)
    return Judged(found, np.array(scores))


def judge(model: Model, rows: list[Row]) -> Judged:
    """Return the model's own scores of ``rows``."""
    return Judged(rows, score_matrix(model, [row.text for row in rows]))


def score_matrix(model: Model, texts: list[str]) -> NDArray[np.float64]:
    """Return (texts, ten) scores."""
    return np.array([list(model.score(text).as_dict().values()) for text in texts]).reshape(len(texts), len(CATEGORIES))


def judge_own(artefacts: Path, cache: Path) -> Judged:
    """Return both parts of the corpus judged fairly, dev rows last."""
    unseen = judge_unseen(artefacts, cache)
    dev = [row for row in read_corpus() if row.split == "dev"]
    if not dev:
        return unseen
    own = judge(load_model(artefacts), dev)
    return Judged(unseen.rows + own.rows, np.concatenate([unseen.scores, own.scores]))
