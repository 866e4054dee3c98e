"""Lists as parameters: PostgreSQL's array literals, written at once.

psycopg writes an array element by element in Python, which takes longer than the query where there are a thousand.
https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.abc import Buffer
from psycopg.types.array import ListDumper

_BARE = (int, bool)
_QUOTED = (datetime, UUID)


class Lists(ListDumper):
    """Writes lists of texts, numbers, booleans, times or ids; all others, and what is refused, as psycopg does."""

    def dump(self, obj: list[Any]) -> Buffer | None:
        """Return the literal."""
        kinds = set(map(type, obj))
        kind = kinds.pop() if len(kinds) == 1 else None
        if kind in _BARE:
            return f"{{{','.join(map(str, obj))}}}".encode()
        if kind in _QUOTED:
            return _quoted(list(map(str, obj)))
        # A text cannot hold NUL: where one does, psycopg says so.
        if kind is str and "\0" not in "".join(obj):
            return _quoted(obj)
        return super().dump(obj)


def _quoted(texts: list[str]) -> bytes:
    joined = "\0".join(texts).replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return f'{{"{joined}"}}'.encode()
