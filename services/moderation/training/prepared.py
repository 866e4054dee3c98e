"""What a training run starts from: its folders, and the rows normalised and embedded once."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.encoder import WIDTH, Encoder
from services.moderation.model.normalise import load_normaliser, plain_words, sentences
from services.moderation.training import data
from services.moderation.training.data import Row

Floats = NDArray[np.float32]
PUBLIC_SAY = 0.4


@dataclass(frozen=True, slots=True)
class Places:
    """Folders: the public data, the pre-trained network that the context member starts from, the artefacts.

    The cache.
    """

    public: Path
    base: Path
    out: Path
    cache: Path


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows with what both members read: the normalised text, its plain words, the encoder's numbers.

    Labels and weights.
    """

    rows: list[Row]
    said: list[str]
    words: list[list[str]]
    meanings: Floats
    labels: Floats
    weights: Floats

    def take(self, mask: NDArray[np.bool_]) -> "Prepared":
        """Return the rows where ``mask`` holds."""
        chosen = np.flatnonzero(mask)
        return Prepared(
            [self.rows[i] for i in chosen],
            [self.said[i] for i in chosen],
            [self.words[i] for i in chosen],
            self.meanings[chosen],
            self.labels[chosen],
            self.weights[chosen],
        )


def prepare(rows: list[Row], lexicon: Path, cache: Path) -> Prepared:
    """Normalise and embed the rows; the encoder's numbers are kept in ``cache`` between runs."""
    normaliser = load_normaliser(lexicon)
    said = [normaliser.normalise(row.text).text for row in rows]
    texts = [" ".join(sentences(text)) or text for text in said]
    return Prepared(
        rows,
        said,
        [plain_words(text) for text in texts],
        embed(texts, cache),
        data.label_matrix(rows),
        np.array([row.weight for row in rows], dtype=np.float32),
    )


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
