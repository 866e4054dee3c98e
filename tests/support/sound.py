"""Small recordings that play: a tone as WAV, and MP3 frames of silence."""

import io
import math
import struct
import wave


def wav(seconds: float = 1.0, frequency: int = 8_000) -> bytes:
    """Return a tone of 440 Hz, 16 bits, one ear."""
    samples = (int(8_000 * math.sin(2 * math.pi * 440 * n / frequency)) for n in range(int(seconds * frequency)))
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(frequency)
        file.writeframes(b"".join(struct.pack("<h", each) for each in samples))
    return target.getvalue()


def mp3(frames: int = 40) -> bytes:
    """Return silent frames of MPEG-1 layer III, 32 kbit/s at 32 kHz: 144 bytes and 36 ms each, after an ID3 tag."""
    frame = bytes([0xFF, 0xFB, 0x18, 0xC4]) + bytes(140)
    return b"ID3\x04\x00\x00\x00\x00\x00\x05hello" + frame * frames
