"""Small transformers that read words in their order, so that "kill this test" and "kill this kid" part."""

import re
import sys
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.moderation.model.chunks import in_chunks

MOST_PIECES = 128
_ALL = sys.maxsize
_SIGNS_IN_A_ROW = re.compile(r"((?:(?:[^\w\s]|_)\s*){3})(?:(?:[^\w\s]|_)\s*)*(?:[^\w\s]|_)")
"""More than three signs, with or without space between them; those after the third say nothing more."""
# On a processor an addition and then a normalisation take a quarter of the time of onnxruntime's fusion of both.
_SLOWER = ["SkipLayerNormFusion"]


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
            network.read_bytes(), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
        )
        self._pieces = pieces

    def logits(self, texts: list[str]) -> NDArray[np.float32]:
        """Return (texts, ten) log-odds; each text is run alone, so that its scores depend on nothing else."""
        return np.concatenate([self._one(text) for text in texts])

    def _one(self, text: str) -> NDArray[np.float32]:
        numbers = self._pieces.numbers(text, _ALL)
        if len(numbers) > MOST_PIECES:
            # Signs in a row take the place of words and drown what those say.
            numbers = self._pieces.numbers(_SIGNS_IN_A_ROW.sub(r"\1", text), _ALL)
        found: NDArray[np.float32] = np.max([self._run(each) for each in in_chunks(numbers, MOST_PIECES)], axis=0)
        return found

    def _run(self, numbers: list[int]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = self._session.run(None, {"numbers": np.array([numbers], dtype=np.int64)})[0]
        return found
