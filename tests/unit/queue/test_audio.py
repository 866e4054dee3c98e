"""What is taken as a recording, and the tickets that lead to it."""

import contextlib
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.kit.errors import InvalidArgument, NotFound
from services.queue.audio import MOST_BYTES, inspect
from services.queue.tickets import Purpose, Ticket, Tickets
from tests.support.sound import mp3, wav

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
TICKETS = Tickets("s" * 32)
TICKET = Ticket(Purpose.ENTRY, "entry-1", "person.with_dots", NOW + timedelta(minutes=15))


def test_wav_and_mp3_are_known_by_their_bytes() -> None:
    sound = inspect(wav(2.5))
    assert (sound.content_type, round(sound.duration_seconds, 3)) == ("audio/wav", 2.5)
    sound = inspect(mp3(100))
    assert (sound.content_type, round(sound.duration_seconds, 3)) == ("audio/mpeg", 3.6)


def test_telephone_codes_in_wav_are_taken() -> None:
    mu_law = struct.pack("<HHIIHH", 7, 1, 8_000, 8_000, 1, 8)
    content = b"RIFF\x00\x00\x00\x00WAVEfmt " + struct.pack("<I", 16) + mu_law + b"data" + struct.pack("<I", 8_000)
    assert inspect(content + bytes(8_000)).duration_seconds == 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "neither"),
        (b"<html><audio></html>", "neither"),
        (b"RIFF\x04\x00\x00\x00WAVE", "neither"),
        (b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", "neither"),
        (mp3(2), "neither"),
        (wav().replace(b"\x01\x00\x01\x00", b"\x55\x00\x01\x00", 1), "neither"),
        (wav(301.0, 1_000), "longer than 5 minutes"),
        (b"\x00" * (MOST_BYTES + 1), "larger than 10 MB"),
    ],
)
def test_everything_else_is_refused_with_a_reason(content: bytes, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        inspect(content)
    assert words in caught.value.message
    assert caught.value.violations[0].pointer == "/recording"


@given(st.binary(max_size=400), st.sampled_from([b"", b"RIFF\x00\x00\x00\x00WAVE", b"\xff\xfb\x18\xc4", b"ID3"]))
def test_no_bytes_break_it(content: bytes, head: bytes) -> None:
    with contextlib.suppress(InvalidArgument):
        assert inspect(head + content).duration_seconds > 0


def test_a_ticket_is_read_as_it_was_signed_until_its_time() -> None:
    text = TICKETS.sign(TICKET)
    assert text == TICKETS.sign(TICKET)
    assert TICKETS.read(text, NOW) == TICKET
    with pytest.raises(NotFound):
        TICKETS.read(text, TICKET.expires_at)


@pytest.mark.accepts(89)
@given(st.integers(0, 200), st.characters(codec="ascii"))
@example(-1, "A")
def test_a_changed_ticket_is_none(place: int, letter: str) -> None:
    text = TICKETS.sign(TICKET)
    place %= len(text)
    changed = text[:place] + letter + text[place + 1 :]
    if changed == text:
        return
    with pytest.raises(NotFound):
        TICKETS.read(changed, NOW)


@pytest.mark.parametrize("text", ["", ".", "a.b", "ü.ü", "x" * 5_000])
def test_nonsense_is_no_ticket(text: str) -> None:
    with pytest.raises(NotFound):
        TICKETS.read(text, NOW)
    with pytest.raises(NotFound):
        Tickets("t" * 32).read(TICKETS.sign(TICKET), NOW)
