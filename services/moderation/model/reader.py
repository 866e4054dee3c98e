"""Small transformers that read words in their order, so that "kill this test" and "kill this kid" part."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

MOST_PIECES = 128


class Pieces(Protocol):
    """What cuts a text into numbered pieces: ``WordPieces`` or ``Unigram``."""

    def numbers(self, text: str, most: int) -> list[int]:
        """Return at most ``most`` piece numbers, start and end marks included."""


class Reader:
    """One fine-tuned network (ONNX, eight-bit) with its pieces, on one core."""

    def __init__(self, network: Path, pieces: Pieces) -> None:
        """Load the network; raises what onnxruntime raises when the file is no network."""
        # Half a second that only whoever scores should pay.
        import onnxruntime  # noqa: PLC0415

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(
            network.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self._pieces = pieces

    def logits(self, texts: list[str]) -> NDArray[np.float32]:
        """Return (texts, ten) log-odds; each text is run alone, so that its scores depend on nothing else."""
        return np.concatenate([self._one(text) for text in texts])

    def _one(self, text: str) -> NDArray[np.float32]:
        numbers = np.array([self._pieces.numbers(text, MOST_PIECES)], dtype=np.int64)
        found: NDArray[np.float32] = self._session.run(None, {"numbers": numbers})[0]
        return found
