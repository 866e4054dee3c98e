"""The training run: normalise, embed, fit the members, weigh them on rows that they had not seen, write the artefacts."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.moderation.model import artefact
from services.moderation.model.categories import CATEGORIES, DANGER
from services.moderation.model.encoder import WIDTH, Encoder
from services.moderation.model.heads import Heads
from services.moderation.model.ngrams import NgramModel
from services.moderation.model.normalise import load_normaliser, plain_words, sentences
from services.moderation.model.scoring import segments_of
from services.moderation.training import data, fitting
from services.moderation.training.data import Row
from services.moderation.training.wordlist import build_word_list

Floats = NDArray[np.float32]
FOLDS = 4
_MEMBERS = 4
_ALONE = {name: 0.5 for name in DANGER}


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows with what both members read: the normalised text, its plain words, the encoder's numbers, labels and weights."""

    rows: list[Row]
    said: list[str]
    words: list[list[str]]
    meanings: Floats
    labels: Floats
    weights: Floats

    def take(self, mask: NDArray[np.bool_]) -> "Prepared":
        """Return the rows where ``mask`` holds."""
        chosen = np.flatnonzero(mask)
        return Prepared([self.rows[i] for i in chosen], [self.said[i] for i in chosen], [self.words[i] for i in chosen], self.meanings[chosen], self.labels[chosen], self.weights[chosen])


def prepare(rows: list[Row], lexicon: Path, cache: Path) -> Prepared:
    """Normalise and embed the rows; the encoder's numbers are kept in ``cache`` between runs."""
    normaliser = load_normaliser(lexicon)
    said = [normaliser.normalise(row.text).text for row in rows]
    texts = [" ".join(sentences(text)) or text for text in said]
    return Prepared(rows, said, [plain_words(text) for text in texts], embed(texts, cache), data.label_matrix(rows), np.array([row.weight for row in rows], dtype=np.float32))


def embed(texts: list[str], cache: Path) -> Floats:
    """Return the encoder's numbers for each text, from the cache where they are there already."""
    cache.mkdir(parents=True, exist_ok=True)
    keys = [hashlib.sha256(text.encode()).hexdigest()[:20] for text in texts]
    store = cache / "meanings.npz"
    known: dict[str, Floats] = {}
    if store.exists():
        with np.load(store) as file:
            known = dict(zip(file["keys"].tolist(), file["rows"], strict=True))
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        print(f"embedding {len(missing)} texts", flush=True)
        fresh = Encoder().encode(list(missing.values())).astype(np.float16)
        known.update(zip(missing, fresh, strict=True))
        np.savez(store, keys=np.array(list(known)), rows=np.stack(list(known.values())))
    return np.stack([known[key] for key in keys]).astype(np.float32).reshape(len(texts), WIDTH)


@dataclass(frozen=True, slots=True)
class Members:
    """Both fitted members and what it takes to store them."""

    ngrams: NgramModel
    heads: Heads
    vocabulary: fitting.Vocabulary
    weights: Floats
    bias: Floats

    def logits(self, part: Prepared) -> tuple[Floats, Floats]:
        """Return the log-odds of the linear member and of the heads."""
        linear = np.stack([self.ngrams.logits(self.ngrams.features(words)) for words in part.words])
        return linear, self.heads.logits(part.meanings)


def fit_members(part: Prepared, members: int) -> Members:
    """Fit the vocabulary, the linear member and the heads on one part of the rows."""
    vocabulary = fitting.build_vocabulary(part.words, part.weights)
    matrix = fitting.feature_matrix(fitting.empty_ngrams(vocabulary), part.words, len(vocabulary.idf))
    weights, bias = fitting.fit_linear(matrix, part.labels, part.weights)
    weights = weights.astype(np.float16)
    heads = fitting.fit_heads(part.meanings, part.labels, part.weights, members)
    heads = Heads(*(array.astype(np.float16).astype(np.float32) for array in (heads.w1, heads.b1, heads.w2, heads.b2)))
    ngrams = NgramModel(vocabulary.words, vocabulary.chars, vocabulary.idf, weights.astype(np.float32), bias)
    return Members(ngrams, heads, vocabulary, weights, bias)


@dataclass(frozen=True, slots=True)
class Unseen:
    """Log-odds of every segment of our own rows, from members fitted without them; ``row`` says whose segment it is."""

    row: NDArray[np.int64]
    alone: Floats
    linear: Floats
    heads: Floats

    def firsts(self) -> NDArray[np.int64]:
        """Return the first segment of each row: the whole message, but for the longest."""
        return np.unique(self.row, return_index=True)[1]


def unseen_logits(part: Prepared, cache: Path) -> Unseen:
    """Fit the members once a fold without it and score the fold's own messages, segment by segment."""
    fold = np.array([data.fold_of(row.group, FOLDS) if row.kind != "public" else -1 for row in part.rows])
    found = []
    for number in range(FOLDS):
        members = fit_members(part.take(fold != number), 2)
        found.append(_score_segments(members, part, np.flatnonzero(fold == number), cache))
        print(f"fold {number + 1} of {FOLDS} fitted", flush=True)
    joined = [np.concatenate(arrays) for arrays in zip(*found, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return Unseen(*(array[order] for array in joined))


def _score_segments(members: Members, part: Prepared, chosen: NDArray[np.int64], cache: Path) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    texts, owners, alone = [], [], []
    for i in chosen.tolist():
        segments, marks = segments_of(part.said[i])
        texts += segments
        owners += [i] * len(segments)
        alone += marks.tolist()
    linear = np.stack([members.ngrams.logits(members.ngrams.features(plain_words(text))) for text in texts])
    return np.array(owners), np.array(alone, dtype=np.float32), linear, members.heads.logits(embed(texts, cache))


def fit_mixture(linear: Floats, heads: Floats, labels: Floats, weights: Floats) -> dict[str, list[float]]:
    """Weigh the members per category on log-odds of rows that they had not seen; this also calibrates them."""
    mixture: dict[str, list[float]] = {"linear": [], "heads": [], "bias": [], "alone": []}
    for category, name in enumerate(CATEGORIES):
        known = ~np.isnan(labels[:, category])
        inputs = np.stack([linear[known, category], heads[known, category]], axis=1)
        fitted = LogisticRegression(C=10.0).fit(inputs, labels[known, category], sample_weight=weights[known])
        a, b = np.maximum(fitted.coef_[0], 0.0).tolist()
        mixture["linear"].append(round(a, 5))
        mixture["heads"].append(round(b, 5))
        mixture["bias"].append(round(float(fitted.intercept_[0]), 5))
        mixture["alone"].append(_ALONE.get(name, 0.3))
    return mixture


def train(public: Path, out: Path, cache: Path) -> str:
    """Run everything and write the artefacts to ``out``; return the version."""
    out.mkdir(parents=True, exist_ok=True)
    corpus = data.read_corpus()
    lexicon = out / "lexicon.txt"
    lexicon.write_text("\n".join(build_word_list(public, corpus)), encoding="utf-8")
    load_normaliser.cache_clear()
    everything = prepare(corpus + data.read_public(public), lexicon, cache)
    part = everything.take(np.array([row.split == "train" for row in everything.rows]))
    print(f"{len(part.rows)} rows to learn from, {sum(row.kind != 'public' for row in part.rows)} of our own", flush=True)
    unseen = unseen_logits(part, cache)
    members = fit_members(part, _MEMBERS)
    held = everything.take(np.array([row.split == "dev" and row.kind == "public" for row in everything.rows]))
    (out / "mixture.json").write_text(json.dumps(_weigh(unseen, part, members, held), indent=1) + "\n", encoding="utf-8")
    write_members(members, out)
    np.savez(cache / "unseen.npz", row=unseen.row, alone=unseen.alone, linear=unseen.linear, heads=unseen.heads, texts=np.array([row.text for row in part.rows]))
    return artefact.write_manifest(out)


def _weigh(unseen: Unseen, part: Prepared, members: Members, held: Prepared) -> dict[str, list[float]]:
    """Weigh the members on our own unseen rows and, for less, on the held-out public ones."""
    firsts = unseen.firsts()
    linear, heads = members.logits(held)
    labels = np.concatenate([part.labels[unseen.row[firsts]], held.labels])
    weights = np.concatenate([np.ones(len(firsts), np.float32), held.weights * 0.3])
    return fit_mixture(np.concatenate([unseen.linear[firsts], linear]), np.concatenate([unseen.heads[firsts], heads]), labels, weights)


def write_members(members: Members, out: Path) -> None:
    """Store both members; half precision, for they were rounded to it before they were weighed."""
    names = {"words": members.vocabulary.words, "chars": members.vocabulary.chars}
    artefact.save_arrays(out / "ngrams.npz", {"idf": members.vocabulary.idf, "weights": members.weights, "bias": members.bias}, names)
    h = members.heads
    artefact.save_arrays(out / "heads.npz", {key: getattr(h, key).astype(np.float16) for key in ("w1", "b1", "w2", "b2")}, {})
