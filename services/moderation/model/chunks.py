"""Cuts what is too long for a network into chunks, so that nothing of it goes unread."""

_OVERLAP = 32
"""Pieces that a chunk shares with the next: a threat of a sentence stands whole in one of them."""


def in_chunks(numbers: list[int], most: int) -> list[list[int]]:
    """Return piece numbers whole when there are at most ``most``, else in full chunks that overlap, to the very last.

    Each chunk stands between the start and end marks that stood around all of them.
    """
    start, *inside, end = numbers
    room = most - 2
    last = max(0, len(inside) - room)
    places = [*range(0, last, max(1, room - _OVERLAP)), last]
    return [[start, *inside[place : place + room], end] for place in places]
