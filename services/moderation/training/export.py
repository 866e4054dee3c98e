"""Writes a network as an eight-bit ONNX file that reads one message: no padding, hence no mask."""

import tempfile
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from services.moderation.training.networks import HEADS, WIDTH, Network

_OPERATIONS = "com.microsoft"


class _Attention(torch.autograd.Function):  # type: ignore[misc]  # torch is there only where one trains
    """Attention as the one operation that onnxruntime has for it; torch's eleven take a twentieth of the time more."""

    @staticmethod
    def forward(_: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Return (1, pieces, WIDTH)."""
        q, k, v = (each.reshape(1, -1, HEADS, WIDTH // HEADS).transpose(1, 2) for each in (q, k, v))
        return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, -1, WIDTH)

    @staticmethod
    def symbolic(graph: Any, q: Any, k: Any, v: Any) -> Any:
        """Return the operation's node; onnxruntime scales by the root of a head's width, as the layers do."""
        return graph.op(f"{_OPERATIONS}::MultiHeadAttention", q, k, v, num_heads_i=HEADS).setType(q.type())


class _OneMessage(nn.Module):  # type: ignore[misc]  # torch is there only where one trains
    """The network for a single message, where every piece is real."""

    def __init__(self, inner: Network) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, numbers: Tensor) -> Tensor:
        """Return (1, ten) log-odds."""
        inner = self.inner
        x = inner.norm(inner.words(numbers) + inner.places.weight[: numbers.shape[1]])
        for layer in inner.layers:
            x = layer.after_attention(x + layer.out(_Attention.apply(*layer.qkv(x).split(WIDTH, dim=-1))))
            x = layer.after_inner(x + layer.down(nn.functional.gelu(layer.up(x))))
        return inner.judge(torch.cat([x.mean(1), x.max(1).values], dim=-1))


def export(model: Network, path: Path) -> None:
    """Write ``model`` to ``path``. Eight bits move its log-odds: on dev lines by 0.2 (six layers) to 0.3 (eleven).

    AssertionError when what is written would not be the network that was trained.
    """
    one, numbers = _OneMessage(model).eval(), torch.arange(9)[None]
    with torch.no_grad():
        torch.testing.assert_close(one(numbers), model(numbers, torch.ones(1, 9)))
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / "exact.onnx"
        torch.onnx.export(
            one,
            (numbers,),
            str(exact),
            input_names=["numbers"],
            output_names=["logits"],
            dynamic_axes={"numbers": {1: "pieces"}},
            opset_version=17,
            custom_opsets={_OPERATIONS: 1},
            dynamo=False,
        )
        quantize_dynamic(str(exact), str(path), weight_type=QuantType.QInt8, per_channel=True, reduce_range=False)
    onnx.checker.check_model(str(path))
