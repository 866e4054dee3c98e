"""Which language a recipient is told in, how texts are cut for Amazon Translate, and how long a message waits."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.vendors.translate import LANGUAGES
from services.queue.domain import Channel
from services.queue.translating import (
    MOST_BYTES,
    Wording,
    code_of,
    cut,
    deadline,
    digest,
    guarded,
    keeps_placeholders,
    pieces,
    target,
    told_in,
    unguarded,
)

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tag", "code"),
    [("es", "es"), ("es-US", "es"), ("ES_mx", "es-MX"), ("zh-Hant-TW", "zh-TW"), ("zh-CN", "zh"), ("pt-BR", "pt"),
     ("fil", "tl"), ("nb-NO", "no"), ("ht", "ht"), ("tlh", ""), ("", ""), ("-", "")],
)  # fmt: skip
def test_tags_become_amazons_codes(tag: str, code: str) -> None:
    assert code_of(tag) == code
    assert not code or code in LANGUAGES


def test_the_messages_own_language_and_unknown_ones_stay() -> None:
    assert [target(tag, "en") for tag in ("en-GB", "xx", "", "es")] == ["", "", "", "es"]
    assert [target(tag, "es") for tag in ("es-MX", "en")] == ["", "en"]
    assert target("zh-TW", "zh") == "zh-TW"
    assert target("es", "tlh") == ""


def test_a_call_stays_in_a_language_that_no_voice_reads() -> None:
    assert [told_in(Channel.TTS, tag, "en") for tag in ("es", "ht", "am")] == ["es", "ht", ""]
    assert told_in(Channel.SMS, "am", "en") == "am"
    assert told_in(Channel.RECORDED, "es", "en") == ""


@given(st.text(alphabet="ab .!\n字é", max_size=400).map(lambda text: text * 120))
def test_pieces_are_the_text_and_none_is_too_long(text: str) -> None:
    found = pieces(text)
    assert "".join(found) == text
    assert all(len(each.encode()) <= MOST_BYTES for each in found)


def test_pieces_end_where_sentences_do() -> None:
    text = "A sentence of some words. " * 800
    found = pieces(text)
    assert len(found) == 3
    assert all(each.rstrip().endswith("words.") for each in found)


def test_what_has_placeholders_goes_line_by_line() -> None:
    assert pieces("Hello,\n\n{student} was absent.\n") == ["Hello,\n", "\n", "{student} was absent.\n"]


@given(st.text(alphabet="a&<>{}\"' ;", max_size=40))
def test_placeholders_are_marked_and_everything_comes_back(text: str) -> None:
    said = f"{text}{{student}} & {{code}}"
    assert '<span translate="no">{student}</span>' in guarded(said)
    assert unguarded(guarded(said)) == said
    assert keeps_placeholders(said, unguarded(guarded(said)))
    assert not keeps_placeholders(said, said.replace("{code}", "{código}"))


def _entry(hours: float) -> Any:
    return SimpleNamespace(expires_at=NOW + timedelta(hours=hours))


@pytest.mark.parametrize(
    ("emergency", "held", "hours", "seconds"),
    [
        (False, False, 72, 900),
        (True, False, 4, 5),
        (False, True, 72, 60),
        (False, False, 0.2, 180),
        (True, False, -1, 0),
    ],
)
def test_a_message_waits_for_a_quarter_of_its_life_at_most(
    emergency: bool, held: bool, hours: float, seconds: int
) -> None:
    message: Any = SimpleNamespace(is_emergency=emergency, is_held=held, send_at=NOW)
    assert deadline(NOW, message, [_entry(100), _entry(hours)]) == NOW + timedelta(seconds=seconds)


def test_texts_are_found_by_what_was_written() -> None:
    wording = Wording({digest("Hello"): "Hola"})
    assert (wording.of("Hello"), wording.of("Other"), Wording().of("Hello")) == ("Hola", "Other", "Hello")
    assert (cut("12345", 5), cut("123456", 5)) == ("12345", "1234…")
