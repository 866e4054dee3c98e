"""The training run: word list, linear member, both networks, how they are weighed, the policy; all artefacts.

Every network's stages are kept in the cache under a name made of what they learnt from, so that a run that was cut
short goes on where it stopped.
"""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from services.moderation.model import artefact
from services.moderation.model.normalise import load_normaliser, plain_words, sentences
from services.moderation.model.unigram import Unigram
from services.moderation.model.wordpiece import WordPieces
from services.moderation.training import data, evasions, fitting, starts
from services.moderation.training.export import export
from services.moderation.training.finetune import finetune
from services.moderation.training.lessons import EVERYDAY, Lesson, Stage, Texts
from services.moderation.training.networks import Network
from services.moderation.training.settling import Places, settle
from services.moderation.training.wordlist import build_word_list

_LONGEST_USED = 400
_GUESSED_AT = ("masked", "vowels out")
ENGLISH_LANGS = frozenset({"en", "ht"})
EVERY_LANG = frozenset({"en", "es", "fr", "pt", "ht"})
ENGLISH_STAGES = (
    Stage("english, public", 0.55, 1.0e-4, None, 0, 64, 0.10, 1.0, 0.0, 0.0, 0, True),
    Stage("english, own", 3.0, 1.0e-4, 2_500, 0, 96, 0.18, 0.6, 0.0, 0.0, 0, False),
    Stage("english, everyday", 3.0, 1.0e-4, 1_500, 3_500, 96, 0.18, 0.6, 0.0, 0.0, 0, False),
    Stage("english, twins", 4.0, 8.0e-5, 1_000, 3_500, 112, 0.30, 0.9, 0.7, 0.0, 1, False),
    Stage("english, twins again", 2.0, 7.0e-5, 1_200, 5_500, 112, 0.35, 1.0, 0.9, 0.33, 1, False),
    Stage("english, look-alikes", 3.0, 1.0e-4, 950, 4_000, 96, 0.25, 1.0, 0.8, 0.5, 1, False),
)
MULTILINGUAL_STAGES = (
    Stage("multilingual, public", 0.50, 1.5e-4, None, 0, 64, 0.10, 1.0, 0.0, 0.0, 0, False),
    Stage("multilingual, own", 3.0, 1.2e-4, 2_500, 0, 96, 0.18, 0.6, 0.0, 0.0, 2, False),
    Stage("multilingual, everyday", 2.5, 1.2e-4, 1_500, 3_500, 96, 0.18, 0.6, 0.0, 0.0, 2, False),
    Stage("multilingual, twins", 4.0, 1.2e-4, 1_000, 3_000, 112, 0.30, 0.9, 0.7, 0.0, 2, False),
    Stage("multilingual, twins again", 2.0, 8.0e-5, 1_200, 6_500, 112, 0.35, 1.0, 0.9, 0.33, 3, False),
    Stage("multilingual, look-alikes", 2.0, 1.5e-4, 900, 4_000, 96, 0.25, 1.0, 0.8, 0.5, 3, False),
)


def train(places: Places) -> str:
    """Run everything and write the artefacts and the default policy; return the model's version."""
    places.out.mkdir(parents=True, exist_ok=True)
    places.cache.mkdir(parents=True, exist_ok=True)
    base = starts.read_four_bit()
    own, public = places.rows()
    lexicon = places.out / "lexicon.txt"
    lexicon.write_text("\n".join(build_word_list(places.public, own, base.pieces)), encoding="utf-8")
    load_normaliser.cache_clear()
    texts = _normalised(own + public, lexicon)
    rows = [row for row in own + public if row.split == "train"]
    print(f"{len(rows)} rows to learn from, {sum(row.kind != 'public' for row in rows)} of our own", flush=True)
    _train_linear(rows, texts, places.out)
    _train_english(rows, texts, places)
    _train_multilingual(rows, texts, places, base)
    return settle(places)


def _normalised(rows: list[data.Row], lexicon: Path) -> Texts:
    normaliser = load_normaliser(lexicon)

    def read(text: str) -> str:
        said = normaliser.normalise(text).text
        return " ".join(sentences(said)) or said

    everyday = [row.text for row in rows if row.split == "train" and (row.kind != "public" or row.source in EVERYDAY)]
    chance = random.Random(len(rows))
    guessed = {text: read(evasions.disguise(chance.choice(_GUESSED_AT), text)) for text in everyday}
    return Texts({row.text: read(row.text) for row in rows}, guessed)


def _train_linear(rows: list[data.Row], texts: Texts, out: Path) -> None:
    words = [plain_words(texts.said[row.text]) for row in rows]
    weights = np.array([row.weight for row in rows], dtype=np.float32)
    fitting.fit_ngrams(words, data.label_matrix(rows), weights, out)


def _train_english(rows: list[data.Row], texts: Texts, places: Places) -> None:
    pieces, keep = starts.english_pieces()
    (places.out / "english_pieces.txt").write_text("\n".join(pieces), encoding="utf-8")
    lesson = Lesson(rows, texts, WordPieces(pieces), pieces.index("[UNK]")).of(ENGLISH_LANGS)
    network = _staged(lambda: starts.english_start(keep), lesson, ENGLISH_STAGES, places.cache)
    export(network, places.out / "english.onnx")


def _train_multilingual(rows: list[data.Row], texts: Texts, places: Places, base: starts.FourBit) -> None:
    whole = Unigram(base.pieces, base.prices.tolist())
    used = {number for text in texts.said.values() for number in whole.numbers(text, _LONGEST_USED)}
    keep = starts.kept_multilingual(base, used)
    pieces, prices = [base.pieces[i] for i in keep], base.prices[keep]
    artefact.save_arrays(places.out / "multilingual_pieces.npz", {"prices": prices}, {"pieces": pieces})
    lesson = Lesson(rows, texts, Unigram(pieces, prices.tolist()), starts.UNKNOWN_PIECE).of(EVERY_LANG)
    network = _staged(lambda: starts.multilingual_start(base, keep), lesson, MULTILINGUAL_STAGES, places.cache)
    export(network, places.out / "multilingual.onnx")


def _staged(start: Callable[[], Network], lesson: Lesson, stages: tuple[Stage, ...], cache: Path) -> Network:
    network = start()
    for stage in stages:
        kept = cache / f"{stage.name.replace(', ', '-').replace(' ', '-')}-{_digest(lesson, stage)}.pt"
        if kept.exists():
            network.load_state_dict(torch.load(kept, weights_only=True))
        else:
            finetune(network, lesson, stage, seed=stages.index(stage))
            torch.save(network.state_dict(), kept)
    network.eval()
    return network


def _digest(lesson: Lesson, stage: Stage) -> str:
    taught = (row for row in lesson.rows if row.kind == "public" or stage.public_rows is not None)
    lines = sorted(f"{lesson.texts.said[row.text]}{row.labels}" for row in taught)
    return hashlib.sha256("\n".join([repr(stage), *lines]).encode()).hexdigest()[:12]
