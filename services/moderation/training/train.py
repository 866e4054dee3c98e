"""The training run: normalise, embed, fit the members, weigh them on rows that they had not seen.

Write the artefacts.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.moderation.model import artefact
from services.moderation.model.categories import CATEGORIES, DANGER
from services.moderation.model.context import ContextReader
from services.moderation.model.heads import Heads
from services.moderation.model.ngrams import NgramModel
from services.moderation.model.normalise import load_normaliser, plain_words, sentences
from services.moderation.model.scoring import segments_of
from services.moderation.model.wordpiece import WordPieces
from services.moderation.training import data, finetune, fitting
from services.moderation.training.export import export
from services.moderation.training.prepared import Floats, Places, Prepared, embed, prepare
from services.moderation.training.wordlist import build_word_list

FOLDS = 4
CONTEXT_FOLD = 0
PUBLIC_SAY = 0.4
_MEMBERS = 4
_ALONE = dict.fromkeys(DANGER, 0.5)


@dataclass(frozen=True, slots=True)
class Context:
    """The fine-tuned network with its pieces."""

    network: finetune.Context
    pieces: list[str]

    def read(self, texts: list[str]) -> Floats:
        """Return (texts, ten) log-odds of the network as it ships, in eight bits."""
        with TemporaryDirectory() as folder:
            export(self.network, Path(folder) / "context.onnx")
            return ContextReader(Path(folder) / "context.onnx", self.pieces).logits(texts)

    def write(self, out: Path) -> None:
        """Store the network in eight bits, and its pieces."""
        export(self.network, out / "context.onnx")
        (out / "pieces.txt").write_text("\n".join(self.pieces), encoding="utf-8")


def fit_context(part: Prepared, places: Places) -> Context:
    """Fine-tune the context member on one part of the rows.

    Or take it from the cache when the corpus is what it was.
    """
    pieces, _ = finetune.kept_pieces(places.base)
    own = np.array([row.kind != "public" for row in part.rows])
    kept = places.cache / f"context-{_digest(part, own)}.pt"
    if kept.exists():
        network = finetune.Context(len(pieces))
        network.load_state_dict(torch.load(kept, weights_only=True))
        return Context(network.eval(), pieces)
    cut = WordPieces(pieces)
    numbers = [cut.numbers(" ".join(sentences(text)) or text) for text in part.said]
    weights = np.where(own, np.minimum(part.weights, 1.5), part.weights * 0.6).astype(np.float32)
    network = finetune.finetune(places.base, finetune.Lesson(numbers, part.labels, weights, own))
    torch.save(network.state_dict(), kept)
    return Context(network, pieces)


def _digest(part: Prepared, own: NDArray[np.bool_]) -> str:
    lines = sorted(f"{row.text}{row.labels}" for row, mine in zip(part.rows, own.tolist(), strict=True) if mine)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


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
    context: Floats

    def firsts(self) -> NDArray[np.int64]:
        """Return the first segment of each row: the whole message, but for the longest."""
        return np.unique(self.row, return_index=True)[1]


def unseen_logits(part: Prepared, context: Context, places: Places) -> Unseen:
    """Fit the members once a fold without it and score the fold's own messages, segment by segment.

    The context member takes long to fine-tune, so it is fitted once, without fold ``CONTEXT_FOLD``, and that one is
    also the one that is shipped: the fold is its dev part. The other folds have no log-odds of it (nan).
    """
    fold = _folds(part)
    found = []
    for number in range(FOLDS):
        members = fit_members(part.take(fold != number), 2)
        found.append(
            _score_segments(
                members, context if number == CONTEXT_FOLD else None, part, np.flatnonzero(fold == number), places.cache
            )
        )
        print(f"fold {number + 1} of {FOLDS} fitted", flush=True)
    joined = [np.concatenate(arrays) for arrays in zip(*found, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return Unseen(*(array[order] for array in joined))


def _folds(part: Prepared) -> NDArray[np.int64]:
    return np.array([data.fold_of(row.group, FOLDS) if row.kind != "public" else -1 for row in part.rows])


def _score_segments(
    members: Members, context: Context | None, part: Prepared, chosen: NDArray[np.int64], cache: Path
) -> tuple[NDArray[np.int64], Floats, Floats, Floats, Floats]:
    texts, owners, alone = [], [], []
    for i in chosen.tolist():
        segments, marks = segments_of(part.said[i])
        texts += segments
        owners += [i] * len(segments)
        alone += marks.tolist()
    linear = np.stack([members.ngrams.logits(members.ngrams.features(plain_words(text))) for text in texts])
    read = context.read(texts) if context else np.full(linear.shape, np.nan, dtype=np.float32)
    return np.array(owners), np.array(alone, dtype=np.float32), linear, members.heads.logits(embed(texts, cache)), read


def fit_mixture(members: tuple[Floats, ...], labels: Floats, weights: Floats) -> dict[str, list[float]]:
    """Weigh the members per category on log-odds of rows that they had not seen; this also calibrates them."""
    found: dict[str, list[float]] = {"linear": [], "heads": [], "context": [], "bias": []}
    for category in range(len(CATEGORIES)):
        known = ~np.isnan(labels[:, category])
        inputs = np.stack([member[known, category] for member in members], axis=1)
        truth = labels[known, category]
        helpful = list(range(len(members)))
        while True:
            fitted = LogisticRegression(C=1.0).fit(inputs[:, helpful], truth, sample_weight=weights[known])
            if fitted.coef_[0].min() >= 0 or len(helpful) == 1:
                break
            helpful.pop(int(fitted.coef_[0].argmin()))
        share = dict(zip(helpful, fitted.coef_[0].tolist(), strict=True))
        for place, name in enumerate(("linear", "heads", "context")):
            found[name].append(round(share.get(place, 0.0), 5))
        found["bias"].append(round(float(fitted.intercept_[0]), 5))
    return found


def train(places: Places) -> str:
    """Run everything and write the artefacts to ``places.out``; return the version."""
    out, cache = places.out, places.cache
    out.mkdir(parents=True, exist_ok=True)
    corpus = data.read_corpus()
    lexicon = out / "lexicon.txt"
    lexicon.write_text("\n".join(build_word_list(places.public, corpus)), encoding="utf-8")
    load_normaliser.cache_clear()
    everything = prepare(corpus + data.read_public(places.public), lexicon, cache)
    part = everything.take(np.array([row.split == "train" for row in everything.rows]))
    print(
        f"{len(part.rows)} rows to learn from, {sum(row.kind != 'public' for row in part.rows)} of our own", flush=True
    )
    context = fit_context(part.take(_folds(part) != CONTEXT_FOLD), places)
    unseen = unseen_logits(part, context, places)
    members = fit_members(part, _MEMBERS)
    held = everything.take(np.array([row.split == "dev" and row.kind == "public" for row in everything.rows]))
    scores = (*members.logits(held), context.read([" ".join(sentences(text)) or text for text in held.said]))
    (out / "mixture.json").write_text(json.dumps(_weigh(unseen, part, held, scores), indent=1) + "\n", encoding="utf-8")
    write_members(members, out)
    context.write(out)
    np.savez(
        cache / "unseen.npz",
        row=unseen.row,
        alone=unseen.alone,
        linear=unseen.linear,
        heads=unseen.heads,
        context=unseen.context,
        texts=np.array([row.text for row in part.rows]),
    )
    return artefact.write_manifest(out)


def _weigh(unseen: Unseen, part: Prepared, held: Prepared, scores: tuple[Floats, ...]) -> dict[str, list[object]]:
    """Weigh the members on our own unseen rows and, for less, on held-out public ones: once for English.

    Once for the rest.
    """
    firsts = unseen.firsts()
    english = np.array([row.lang == "en" for row in part.rows])[unseen.row[firsts]]
    read = ~np.isnan(unseen.context[firsts, 0])
    mixtures = []
    for chosen, count in ((firsts[english & read], 3), (firsts[~english], 2)):
        own = (unseen.linear, unseen.heads, unseen.context)[:count]
        inputs = tuple(np.concatenate([mine[chosen], public]) for mine, public in zip(own, scores[:count], strict=True))
        labels = np.concatenate([part.labels[unseen.row[chosen]], held.labels])
        mixtures.append(
            fit_mixture(
                inputs,
                labels,
                np.concatenate(
                    [np.ones(len(chosen), np.float32), held.weights * PUBLIC_SAY * len(chosen) / len(held.rows)]
                ),
            )
        )
    joined: dict[str, list[object]] = {}
    for key in ("linear", "heads", "context", "bias"):
        joined[key] = [mixture[key] for mixture in mixtures]
    joined["alone"] = [_ALONE.get(name, 0.3) for name in CATEGORIES]
    return joined


def write_members(members: Members, out: Path) -> None:
    """Store both members; half precision, for they were rounded to it before they were weighed."""
    names = {"words": members.vocabulary.words, "chars": members.vocabulary.chars}
    artefact.save_arrays(
        out / "ngrams.npz", {"idf": members.vocabulary.idf, "weights": members.weights, "bias": members.bias}, names
    )
    h = members.heads
    artefact.save_arrays(
        out / "heads.npz", {key: getattr(h, key).astype(np.float16) for key in ("w1", "b1", "w2", "b2")}, {}
    )
