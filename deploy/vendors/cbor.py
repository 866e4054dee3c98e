"""The part of CBOR (RFC 8949) that AWS's rpc-v2-cbor protocol uses, which boto3 speaks to Amazon Translate."""

from __future__ import annotations

import struct
from typing import Any

_INDEFINITE = 31
_BREAK = object()


class CborError(ValueError):
    """The bytes are not CBOR that this reader knows."""


def dumps(value: Any) -> bytes:
    """Encode None, bool, int, float, str, bytes, list and dict. Raises CborError for anything else."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        return _head(3, len(encoded := value.encode())) + encoded
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(dumps, value))
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(dumps(key) + dumps(item) for key, item in value.items())
    raise CborError(f"cannot encode {type(value).__name__}")


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for code, size, form in ((24, 8, ">B"), (25, 16, ">H"), (26, 32, ">I"), (27, 64, ">Q")):
        if number < 1 << size:
            return bytes([major << 5 | code]) + struct.pack(form, number)
    raise CborError("integer out of range")


def loads(data: bytes) -> Any:
    """Decode one value. Raises CborError when bytes are missing, left over or of an unknown kind."""
    reader = _Reader(data)
    value = reader.value()
    if value is _BREAK or reader.at != len(data):
        raise CborError("not one whole value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def _take(self, count: int) -> bytes:
        piece = self._data[self.at : self.at + count]
        if len(piece) < count:
            raise CborError("ends too soon")
        self.at += count
        return piece

    def value(self) -> Any:
        first = self._take(1)[0]
        major, low = first >> 5, first & 31
        if major == 7:
            return self._simple(low)
        if low == _INDEFINITE:
            return self._indefinite(major)
        number = low if low < 24 else self._number(low)
        return self._sized(major, number)

    def _number(self, low: int) -> int:
        if low > 27:
            raise CborError("reserved length")
        return int.from_bytes(self._take(1 << (low - 24)))

    def _sized(self, major: int, number: int) -> Any:
        if major == 0:
            return number
        if major == 1:
            return -1 - number
        if major == 2:
            return self._take(number)
        if major == 3:
            return self._text(self._take(number))
        if major == 4:
            return [self.value() for _ in range(number)]
        if major == 5:
            return {self.value(): self.value() for _ in range(number)}
        return self.value()  # A tag: only its value matters here.

    @staticmethod
    def _text(data: bytes) -> str:
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise CborError("text is not UTF-8") from error

    def _indefinite(self, major: int) -> Any:
        items: list[Any] = []
        while (item := self.value()) is not _BREAK:
            items.append(item)
        if major in (2, 3):
            return (b"" if major == 2 else "").join(items)
        if major == 4:
            return items
        if major == 5 and len(items) % 2 == 0:
            return dict(zip(items[::2], items[1::2], strict=True))
        raise CborError("unknown indefinite value")

    def _simple(self, low: int) -> Any:
        if low == _INDEFINITE:
            return _BREAK
        if low in (25, 26, 27):
            form, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[low]
            return struct.unpack(form, self._take(size))[0]
        try:
            return {20: False, 21: True, 22: None, 23: None}[low]
        except KeyError:
            raise CborError("unknown simple value") from None
