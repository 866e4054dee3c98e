"""What an uploaded recording is: WAV or MP3 by its bytes, whatever its name says, and how long it plays. Pure.

WAV as of RIFF with PCM, A-law or µ-law samples, the forms that Twilio plays; MP3 as of MPEG-1 and MPEG-2 layer III,
counted frame by frame since files of a variable rate say nothing of their length.
"""

import struct
from dataclasses import dataclass
from typing import Final

from services.kit.errors import InvalidArgument

MOST_BYTES: Final = 10 * 1024 * 1024
MOST_SECONDS: Final = 300.0
WAV, MP3 = "audio/wav", "audio/mpeg"
_PLAYABLE = {1, 6, 7}
_EXTENSIBLE = 0xFFFE
_RATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLES_A_SECOND = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""By the version bits of a frame: MPEG-1, MPEG-2, MPEG-2.5."""
_LEAST_FRAMES = 3
"""So many frames in a row are no accident of other data."""


@dataclass(frozen=True)
class Audio:
    """A recording that can be played."""

    content_type: str
    duration_seconds: float


def inspect(content: bytes) -> Audio:
    """Return what the bytes are, or raise InvalidArgument: neither WAV nor MP3, too large, too long, or empty."""
    if len(content) > MOST_BYTES:
        raise _refused(f"The recording is larger than {MOST_BYTES // 1024 // 1024} MB.")
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        audio = Audio(WAV, _wav_seconds(content))
    else:
        audio = Audio(MP3, _mp3_seconds(content))
    if audio.duration_seconds <= 0:
        raise _refused("This is neither a WAV nor an MP3 file that can be played.")
    if audio.duration_seconds > MOST_SECONDS:
        raise _refused(f"The recording plays longer than {MOST_SECONDS / 60:.0f} minutes.")
    return audio


def _refused(sentence: str) -> InvalidArgument:
    return InvalidArgument("RECORDING_INVALID", sentence, violations=[("/recording", sentence)])


def _wav_seconds(content: bytes) -> float:
    """Return how long a WAV plays, 0 for one that cannot be played."""
    at, bytes_a_second = 12, 0
    while at + 8 <= len(content):
        name, size = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        if name == b"fmt " and size >= 16 and at + 24 <= len(content):
            kind, _, _, bytes_a_second = struct.unpack_from("<HHII", content, at + 8)
            if kind == _EXTENSIBLE and size >= 40 and at + 34 <= len(content):
                kind = struct.unpack_from("<H", content, at + 32)[0]
            if kind not in _PLAYABLE:
                return 0.0
        elif name == b"data":
            present = min(size, len(content) - at - 8)
            return present / bytes_a_second if bytes_a_second else 0.0
        at += 8 + size + size % 2
    return 0.0


def _mp3_seconds(content: bytes) -> float:
    """Return how long an MP3 plays, 0 when the bytes are none."""
    at, seconds, frames = _after_tag(content), 0.0, 0
    while at + 4 <= len(content):
        frame = _frame(content[at : at + 4])
        if frame is None:
            break
        seconds += frame[1]
        frames += 1
        at += frame[0]
    return seconds if frames >= _LEAST_FRAMES else 0.0


def _after_tag(content: bytes) -> int:
    """Return where the frames begin: after an ID3v2 tag, whose size has seven bits in each byte."""
    if content[:3] != b"ID3" or len(content) < 10:
        return 0
    size = sum((byte & 0x7F) << shift for byte, shift in zip(content[6:10], (21, 14, 7, 0), strict=True))
    return 10 + size


def _frame(header: bytes) -> tuple[int, float] | None:
    """Return size in bytes and duration in seconds of the layer III frame with this header, None when it is none."""
    bits = int.from_bytes(header, "big")
    version, layer, rate_index = bits >> 19 & 3, bits >> 17 & 3, bits >> 12 & 15
    frequency_index, padding = bits >> 10 & 3, bits >> 9 & 1
    if bits >> 21 != 0x7FF or version == 1 or layer != 1 or rate_index in {0, 15} or frequency_index == 3:
        return None
    kilobits = (_RATES_1 if version == 3 else _RATES_2)[rate_index]
    frequency = _SAMPLES_A_SECOND[version][frequency_index]
    samples = 1_152 if version == 3 else 576
    return samples // 8 * kilobits * 1_000 // frequency + padding, samples / frequency
