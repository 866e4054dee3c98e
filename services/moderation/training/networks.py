"""The shape of both fine-tuned networks: BERT's layers over a cut vocabulary, ten log-odds at the end. Needs torch."""

import torch
from torch import Tensor, nn

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.reader import MOST_PIECES

WIDTH = 384
HEADS = 12
_INNER = 1536
_FAR_BELOW = 1e4


class Layer(nn.Module):  # type: ignore[misc]  # torch is there only where one trains
    """One transformer layer, normalised after each half as BERT does."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, _INNER), nn.Linear(_INNER, WIDTH)
        self.after_attention, self.after_inner = nn.LayerNorm(WIDTH, eps=1e-12), nn.LayerNorm(WIDTH, eps=1e-12)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the layer's output; ``mask`` is 0 for real pieces and very negative for padding."""
        messages, pieces = x.shape[:2]
        each = WIDTH // HEADS
        q, k, v = (
            part.reshape(messages, pieces, HEADS, each).transpose(1, 2) for part in self.qkv(x).split(WIDTH, dim=-1)
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) * each**-0.5 + mask, dim=-1)
        mixed = (self.drop(weights) @ v).transpose(1, 2).reshape(messages, pieces, WIDTH)
        x = self.after_attention(x + self.drop(self.out(mixed)))
        return self.after_inner(x + self.drop(self.down(nn.functional.gelu(self.up(x)))))


class Network(nn.Module):  # type: ignore[misc]  # torch is there only where one trains
    """Pieces to ten log-odds: embeddings, layers, the average and the maximum over the pieces, one linear map."""

    def __init__(self, pieces: int, layers: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(pieces, WIDTH), nn.Embedding(MOST_PIECES, WIDTH)
        self.norm, self.drop = nn.LayerNorm(WIDTH, eps=1e-12), nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))
        self.judge = nn.Linear(2 * WIDTH, len(CATEGORIES))
        nn.init.normal_(self.judge.weight, std=0.02)
        nn.init.zeros_(self.judge.bias)

    def forward(self, numbers: Tensor, real: Tensor) -> Tensor:
        """Return (messages, ten) log-odds; ``real`` is 1 for pieces and 0 for padding."""
        x = self.drop(self.norm(self.words(numbers) + self.places.weight[: numbers.shape[1]]))
        mask = (real[:, None, None, :] - 1.0) * _FAR_BELOW
        for layer in self.layers:
            x = layer(x, mask)
        shown = real[:, :, None]
        mean = (x * shown).sum(1) / shown.sum(1)
        most = (x + (shown - 1.0) * _FAR_BELOW).max(1).values
        return self.judge(torch.cat([mean, most], dim=-1))
