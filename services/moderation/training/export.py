"""Writes a network as an eight-bit ONNX file that reads one message: no padding, hence no mask."""

import tempfile
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from services.moderation.training.networks import Network


class _OneMessage(nn.Module):  # type: ignore[misc]  # torch is there only where one trains
    """The network for a single message, where every piece is real."""

    def __init__(self, inner: Network) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, numbers: Tensor) -> Tensor:
        """Return (1, ten) log-odds."""
        return self.inner(numbers, torch.ones_like(numbers, dtype=torch.float32))


def export(model: Network, path: Path) -> None:
    """Write ``model`` to ``path``; its log-odds are within a few hundredths of the exact network's."""
    with tempfile.TemporaryDirectory() as folder:
        exact = Path(folder) / "exact.onnx"
        torch.onnx.export(
            _OneMessage(model).eval(),
            (torch.zeros((1, 9), dtype=torch.long),),
            str(exact),
            input_names=["numbers"],
            output_names=["logits"],
            dynamic_axes={"numbers": {1: "pieces"}},
            opset_version=17,
            dynamo=False,
        )
        quantize_dynamic(str(exact), str(path), weight_type=QuantType.QInt8, per_channel=True, reduce_range=False)
    onnx.checker.check_model(str(path))
