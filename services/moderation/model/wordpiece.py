"""Cuts words into the pieces that the English network knows, longest piece first."""

from services.moderation.model.letters import fold_accents


class WordPieces:
    """A frozen list of pieces; "##" marks one that continues a word. Unknown words become "[UNK]"."""

    def __init__(self, pieces: list[str]) -> None:
        """``pieces`` in the order of their numbers; must hold [PAD] [UNK] [CLS] [SEP]."""
        self._numbers = {piece: number for number, piece in enumerate(pieces)}
        self._unknown, self._start, self._end = (self._numbers[name] for name in ("[UNK]", "[CLS]", "[SEP]"))
        self._memory: dict[str, list[int]] = {}

    def numbers(self, text: str, most: int) -> list[int]:
        """Return the piece numbers of lower-case ``text`` between start and end marks, at most ``most`` of them."""
        found = [self._start]
        for word in fold_accents(text).split():
            known = self._memory.get(word)
            if known is None:
                known = [number for part in _parts(word) for number in self._cut(part)]
                if len(self._memory) > 30_000:
                    self._memory.clear()
                self._memory[word] = known
            found += known
            if len(found) >= most:
                break
        return [*found[: most - 1], self._end]

    def _cut(self, word: str) -> list[int]:
        found, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            end = next(
                (e for e in range(min(len(word), start + 24), start, -1) if mark + word[start:e] in self._numbers), 0
            )
            if not end:
                return [self._unknown]
            found.append(self._numbers[mark + word[start:end]])
            start = end
        return found


def _parts(word: str) -> list[str]:
    """Split punctuation off a word, each sign by itself."""
    parts: list[str] = []
    run = ""
    for ch in word:
        if ch.isalnum():
            run += ch
            continue
        if run:
            parts.append(run)
        parts.append(ch)
        run = ""
    return [*parts, run] if run else parts
