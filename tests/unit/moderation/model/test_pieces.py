"""Words are cut into the pieces that a network learnt with, and unknown ones lose nothing but themselves."""

from services.moderation.model.chunks import in_chunks
from services.moderation.model.unigram import Unigram
from services.moderation.model.wordpiece import WordPieces

_UNIGRAM = Unigram(
    ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁un", "happy", "▁unhappy", "h", "a", "p", "y", "▁go"],
    [0.0, 0.0, 0.0, 0.0, -3.0, -4.0, -5.0, -9.5, -6.0, -6.0, -6.0, -6.0, -4.0],
)
_WORDPIECES = WordPieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##happy", "go", "!"])


def test_the_likeliest_cut_wins() -> None:
    assert _UNIGRAM.numbers("unhappy go", 16) == [0, 5, 6, 12, 2]


def test_an_unknown_letter_is_marked_and_the_rest_is_read() -> None:
    assert _UNIGRAM.numbers("unzhappy", 16) == [0, 5, 3, 6, 2]


def test_the_longest_piece_comes_first() -> None:
    assert _WORDPIECES.numbers("unhappy go! qq", 16) == [2, 4, 5, 6, 7, 1, 3]


def test_long_texts_are_cut_and_keep_their_end_mark() -> None:
    assert _UNIGRAM.numbers("go " * 50, 8) == [0, *[12] * 6, 2]
    assert _WORDPIECES.numbers("go " * 50, 8) == [2, *[6] * 6, 3]


def test_what_is_too_long_comes_in_chunks_that_overlap_to_the_last_piece() -> None:
    def cut(pieces: int) -> list[list[int]]:
        return in_chunks([-1, *range(pieces), -2], 128)

    assert cut(0) == [[-1, -2]]
    assert cut(126) == [[-1, *range(126), -2]]
    assert cut(127) == [[-1, *range(126), -2], [-1, *range(1, 127), -2]]
    assert cut(300) == [[-1, *range(i, i + 126), -2] for i in (0, 94, 174)]


def test_of_a_very_long_word_every_letter_is_read() -> None:
    assert _UNIGRAM.numbers("go" + "z" * 200 + "happy", 500) == [0, 12, *[3] * 200, 6, 2]
