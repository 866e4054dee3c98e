"""Whose name an e-mail bears, in the letters that Amazon SES takes: ASCII, and 320 of them at most."""

from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest

from services.queue.providers.ses_email import sender_of

ADDRESS = "office@example.org"


def _read(sender: str) -> tuple[str, str]:
    """Return name and address as a mail program shows them."""
    name, address = parseaddr(sender)
    return str(make_header(decode_header(name))), address


@pytest.mark.accepts(229)
@pytest.mark.parametrize("name", ["Señora Muñoz", "Escuela José Martí, sala 3", "北京路小学", "Zoé\r\nBcc: x@y.z"])
def test_a_name_in_other_letters_is_encoded(name: str) -> None:
    sender = sender_of(name, ADDRESS)
    assert sender.isascii()
    assert sender.isprintable()
    assert _read(sender) == (" ".join(name.split()), ADDRESS)


@pytest.mark.parametrize("name", ["Lincoln High", 'Ridge "Hawks" High, office'])
def test_a_name_in_ascii_stays_readable(name: str) -> None:
    assert _read(sender_of(name, ADDRESS)) == (name, ADDRESS)
    assert "=?" not in sender_of(name, ADDRESS)


@pytest.mark.parametrize("name", ["北京路小学" * 40, "École " * 33, "x" * 400])
def test_a_long_name_is_cut_to_what_is_taken(name: str) -> None:
    sender = sender_of(name, ADDRESS)
    shown, address = _read(sender)
    assert len(sender) <= 320
    assert address == ADDRESS
    assert name.startswith(shown)
    assert len(shown) >= 40
    if not name.isascii():
        assert all(len(word) <= 75 for word in sender.split()[:-1])


def test_without_a_name_the_address_stands_alone() -> None:
    assert sender_of(" ", ADDRESS) == ADDRESS
    assert sender_of("", "news@escuela-ñandú.example") == "news@xn--escuela-and-8db4j.example"
