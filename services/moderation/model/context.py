"""The context member: a small transformer that reads words in their order.

So that "kill this test" and "kill this kid" part.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.wordpiece import WordPieces


class ContextReader:
    """Runs the fine-tuned network (ONNX, eight-bit) on one core. English.

    Other languages are weighed to the other members.
    """

    def __init__(self, network: Path, pieces: list[str]) -> None:
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
        self._pieces = WordPieces(pieces)

    def logits(self, texts: list[str]) -> NDArray[np.float32]:
        """Return (texts, ten) log-odds of normalised texts; each is run alone.

        So that its scores depend on nothing else.
        """
        return np.concatenate([self._one(text) for text in texts])

    def _one(self, text: str) -> NDArray[np.float32]:
        numbers = np.array([self._pieces.numbers(text)], dtype=np.int64)
        found: NDArray[np.float32] = self._session.run(None, {"numbers": numbers})[0]
        return found
