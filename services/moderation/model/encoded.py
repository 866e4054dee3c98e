"""Signs that a message carries something encoded: base64, hexadecimal, binary or Morse. It is sent to a person.

Not decoded.
"""

import base64
import binascii
import re

_BASE64 = re.compile(r"(?<![\w/+.:-])[A-Za-z0-9+/]{16,}={0,2}(?![\w/+-])")
_HEX = re.compile(r"(?<!\w)(?:0x)?(?:[0-9a-f]{2}[\s:]?){6,}(?!\w)", re.I)
# Three are enough, and no more are looked for: a row of digits can be cut into sevens and eights in countless ways.
_BINARY = re.compile(r"(?<!\w)(?:[01]{7,8}\s?){3}")
_MORSE = re.compile(r"(?<![\w.\-·−–—_])(?:[.\-·−–—_]{1,6}[ /|]+){5,}[.\-·−–—_]{1,6}")
_LINK = re.compile(r"https?://\S+|www\.\S+")


def looks_encoded(text: str) -> bool:
    """Return whether a part of ``text`` is most likely text in an encoding that a reader cannot read at sight."""
    if len(text) < 12:
        return False
    bare = _LINK.sub(" ", text)
    return (
        _has_morse(bare)
        or bool(_BINARY.search(bare))
        or any(map(_is_hex_text, _HEX.findall(bare)))
        or any(map(_is_base64_text, _BASE64.findall(bare)))
    )


def _has_morse(text: str) -> bool:
    match = _MORSE.search(text)
    return match is not None and any(ch in match.group() for ch in ".·") and any(ch in match.group() for ch in "-−–—_")


def _is_hex_text(found: str) -> bool:
    digits = re.sub(r"[^0-9a-fA-F]", "", found.removeprefix("0x"))
    return len(digits) % 2 == 0 and _is_readable(bytes.fromhex(digits))


def _is_base64_text(found: str) -> bool:
    if found.isdigit() or (found.isalpha() and (found.islower() or found.isupper())):
        return False
    try:
        return _is_readable(base64.b64decode(found + "=" * (-len(found) % 4), validate=True))
    except (binascii.Error, ValueError):
        return False


def _is_readable(data: bytes) -> bool:
    """Return whether the bytes are mostly letters and spaces of ASCII, as words would be."""
    return len(data) >= 6 and sum(chr(b).isalpha() or b == 32 for b in data if b < 128) >= 0.85 * len(data)
