"""Cuts words into the pieces that the multilingual network knows: the likeliest cut, each piece having a price."""

from itertools import pairwise

_START, _END, _UNKNOWN = 0, 2, 3
_WORD_MARK = "▁"
_LONGEST_WORD = 64
_NEVER = -1e30


class Unigram:
    """A frozen list of pieces with their log-probabilities, as SentencePiece's unigram model has them.

    Pieces 0, 2 and 3 are the marks for start, end and anything unknown. A piece that opens a word begins with "▁".
    """

    def __init__(self, pieces: list[str], prices: list[float]) -> None:
        """``pieces`` in the order of their numbers, ``prices`` their log-probabilities."""
        self._pieces = {
            piece: (number, price) for number, (piece, price) in enumerate(zip(pieces, prices, strict=True))
        }
        self._longest = max(map(len, pieces))
        self._unknown_price = min(prices) - 10.0
        self._memory: dict[str, list[int]] = {}

    def numbers(self, text: str, most: int) -> list[int]:
        """Return the piece numbers of ``text`` between start and end marks, at most ``most`` of them."""
        found = [_START]
        for word in text.split():
            found += self._word(_WORD_MARK + word)
            if len(found) >= most:
                break
        return [*found[: most - 1], _END]

    def _word(self, word: str) -> list[int]:
        # What is longer is no word, and the likeliest cut of all of it would be dear.
        first = _LONGEST_WORD + len(_WORD_MARK)
        rest = [word[i : i + _LONGEST_WORD] for i in range(first, len(word), _LONGEST_WORD)]
        return [number for part in (word[:first], *rest) for number in self._remembered(part)]

    def _remembered(self, word: str) -> list[int]:
        known = self._memory.get(word)
        if known is None:
            known = self._cut(word)
            if len(self._memory) > 30_000:
                self._memory.clear()
            self._memory[word] = known
        return known

    def _cut(self, word: str) -> list[int]:
        best = [0.0] + [_NEVER] * len(word)
        came_from = [0] * (len(word) + 1)
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + self._longest) + 1):
                price = self._price(word[start:end])
                if price is not None and best[start] + price > best[end]:
                    best[end], came_from[end] = best[start] + price, start
        cuts = [len(word)]
        while cuts[-1]:
            cuts.append(came_from[cuts[-1]])
        return [self._pieces.get(word[a:b], (_UNKNOWN, 0.0))[0] for a, b in pairwise(reversed(cuts))]

    def _price(self, part: str) -> float | None:
        known = self._pieces.get(part)
        if known is not None:
            return known[1]
        return self._unknown_price if len(part) == 1 else None
