"""Fine-tunes the context member, a small English transformer, on the same rows as the others. Needs torch.

For training only.
"""

import json
import random
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from services.moderation.model.categories import CATEGORIES

_WIDTH, _HEADS, _LAYERS, _INNER, _PLACES = 384, 12, 6, 1536, 64
_EPOCHS, _BATCH, _RATE, _PUBLIC_PER_EPOCH = 4, 32, 1.5e-4, 4_500


class Layer(nn.Module):  # type: ignore[misc]  # torch is there only where one trains
    """One transformer layer, normalised after each half as BERT does."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.up, self.down = nn.Linear(_WIDTH, _INNER), nn.Linear(_INNER, _WIDTH)
        self.after_attention, self.after_inner = nn.LayerNorm(_WIDTH, eps=1e-12), nn.LayerNorm(_WIDTH, eps=1e-12)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the layer's output; ``mask`` is 0 for real pieces and very negative for padding."""
        size = x.shape[:2]
        q, k, v = (
            part.reshape(size[0], size[1], _HEADS, 32).transpose(1, 2) for part in self.qkv(x).split(_WIDTH, dim=-1)
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) * 32**-0.5 + mask, dim=-1)
        mixed = (self.drop(weights) @ v).transpose(1, 2).reshape(size[0], size[1], _WIDTH)
        x = self.after_attention(x + self.drop(self.out(mixed)))
        return self.after_inner(x + self.drop(self.down(nn.functional.gelu(self.up(x)))))


class Context(nn.Module):  # type: ignore[misc]  # torch is there only where one trains
    """Pieces to ten log-odds: embeddings, six layers, the average and the maximum over the pieces, one linear map."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(pieces, _WIDTH), nn.Embedding(_PLACES, _WIDTH)
        self.norm, self.drop = nn.LayerNorm(_WIDTH, eps=1e-12), nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer() for _ in range(_LAYERS))
        self.judge = nn.Linear(2 * _WIDTH, len(CATEGORIES))

    def forward(self, numbers: Tensor, real: Tensor) -> Tensor:
        """Return (messages, ten) log-odds; ``real`` is 1 for pieces and 0 for padding."""
        x = self.drop(self.norm(self.words(numbers) + self.places.weight[: numbers.shape[1]]))
        mask = (real[:, None, None, :] - 1.0) * 1e4
        for layer in self.layers:
            x = layer(x, mask)
        shown = real[:, :, None]
        mean = (x * shown).sum(1) / shown.sum(1)
        most = (x + (shown - 1.0) * 1e4).max(1).values
        return self.judge(torch.cat([mean, most], dim=-1))


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


def kept_pieces(folder: Path) -> tuple[list[str], list[int]]:
    """Return the pieces in Latin letters, digits and signs with their old numbers.

    Other scripts are the encoder's to read.
    """
    every = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    keep = [
        i
        for i, piece in enumerate(every)
        if piece
        and not piece.startswith("[unused")
        and all(ord(ch) < 0x250 or 0x2000 <= ord(ch) < 0x2070 for ch in piece)
    ]
    return [every[i] for i in keep], keep


def start_from(folder: Path) -> tuple[Context, list[str]]:
    """Return the network with the pre-trained weights (all-MiniLM-L6-v2, Apache-2.0) and its pieces."""
    pieces, keep = kept_pieces(folder)
    given = read_safetensors(folder / "model.safetensors")
    model = Context(len(pieces))
    with torch.no_grad():
        model.words.weight.copy_(given["embeddings.word_embeddings.weight"][keep])
        model.places.weight.copy_(
            given["embeddings.position_embeddings.weight"][:_PLACES]
            + given["embeddings.token_type_embeddings.weight"][0]
        )
        _copy(model.norm, given, "embeddings.LayerNorm")
        for i, layer in enumerate(model.layers):
            _copy_layer(layer, given, f"encoder.layer.{i}.")
    return model, pieces


def _copy(module: nn.Module, given: dict[str, Tensor], name: str) -> None:
    module.weight.copy_(given[f"{name}.weight"])
    module.bias.copy_(given[f"{name}.bias"])


def _copy_layer(layer: nn.Module, given: dict[str, Tensor], name: str) -> None:
    for kind in ("weight", "bias"):
        getattr(layer.qkv, kind).copy_(
            torch.cat([given[f"{name}attention.self.{part}.{kind}"] for part in ("query", "key", "value")])
        )
    _copy(layer.out, given, f"{name}attention.output.dense")
    _copy(layer.after_attention, given, f"{name}attention.output.LayerNorm")
    _copy(layer.up, given, f"{name}intermediate.dense")
    _copy(layer.down, given, f"{name}output.dense")
    _copy(layer.after_inner, given, f"{name}output.LayerNorm")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What the network learns from: piece numbers, labels (nan where not known), weights.

    And which rows are our own.
    """

    numbers: list[list[int]]
    labels: np.ndarray
    weights: np.ndarray
    own: np.ndarray


def batch_of(numbers: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return padded piece numbers and which of them are real."""
    longest = max(map(len, numbers))
    padded = torch.zeros((len(numbers), longest), dtype=torch.long)
    real = torch.zeros((len(numbers), longest))
    for i, row in enumerate(numbers):
        padded[i, : len(row)] = torch.tensor(row)
        real[i, : len(row)] = 1.0
    return padded, real


def _epoch(lesson: Lesson, chance: random.Random) -> list[list[int]]:
    own = np.flatnonzero(lesson.own).tolist()
    public = np.flatnonzero(~lesson.own).tolist()
    rows = own + chance.sample(public, min(_PUBLIC_PER_EPOCH, len(public)))
    rows.sort(key=lambda i: len(lesson.numbers[i]) + chance.random() * 6)
    batches = [rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)]
    chance.shuffle(batches)
    return batches


def finetune(folder: Path, lesson: Lesson, seed: int = 0) -> Context:
    """Return the network after four passes over our rows, each with a fresh sample of the public ones."""
    torch.manual_seed(seed)
    chance = random.Random(seed)
    model, _ = start_from(folder)
    schedule = [batch for _ in range(_EPOCHS) for batch in _epoch(lesson, chance)]
    plain = [p for p in model.parameters() if p.ndim < 2]
    heavy = [p for name, p in model.named_parameters() if p.ndim > 1 and not name.startswith("judge")]
    groups = [
        {"params": heavy, "weight_decay": 0.01},
        {"params": plain, "weight_decay": 0.0},
        {"params": [model.judge.weight], "lr": 1e-3},
    ]
    optimiser = torch.optim.AdamW(groups, lr=_RATE)
    total, warm = len(schedule), len(schedule) // 15
    curve = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min(step / warm, (total - step) / (total - warm)) if step else 1e-3
    )
    labels, weights = torch.from_numpy(lesson.labels), torch.from_numpy(lesson.weights)
    model.train()
    for step, batch in enumerate(schedule):
        _learn(model, optimiser, lesson, (labels[batch], weights[batch]), batch)
        curve.step()
        if step % 200 == 0:
            print(f"step {step} of {total}", flush=True)
    model.eval()
    return model


def _learn(
    model: Context, optimiser: torch.optim.Optimizer, lesson: Lesson, truth: tuple[Tensor, Tensor], batch: list[int]
) -> None:
    labels, weights = truth
    numbers, real = batch_of([lesson.numbers[i] for i in batch])
    known = (~labels.isnan()).float() * weights[:, None]
    loss = nn.functional.binary_cross_entropy_with_logits(
        model(numbers, real), labels.nan_to_num() * 0.98 + 0.01, reduction="none"
    )
    loss = (loss * known).sum() / (known.sum() / len(CATEGORIES) + 1e-6)
    optimiser.zero_grad()
    (loss * 4.0).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 4.0)
    optimiser.step()


@torch.no_grad()  # type: ignore[untyped-decorator]
def logits_of(model: Context, numbers: list[list[int]]) -> np.ndarray:
    """Return (messages, ten) log-odds."""
    order = sorted(range(len(numbers)), key=lambda i: len(numbers[i]))
    found = np.zeros((len(numbers), len(CATEGORIES)), dtype=np.float32)
    for at in range(0, len(order), 64):
        chosen = order[at : at + 64]
        found[chosen] = model(*batch_of([numbers[i] for i in chosen])).numpy()
    return found
