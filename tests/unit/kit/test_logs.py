"""Logs: constant events, ids, and nothing about a person."""

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.errors import NotFound
from services.kit.logs import REDACTED, configure_logs, get_logger, remove_personal_data


def test_a_record_is_json_with_its_fields(written: Any) -> None:
    configure_logs("queue", "serve", "INFO")
    get_logger("services.queue").info("batch_settled", batch_id="b1", sent=3)
    (record,) = written()
    assert (record["event"], record["batch_id"], record["sent"]) == ("batch_settled", "b1", 3)
    assert (record["service"], record["process"], record["level"]) == ("queue", "serve", "info")


@pytest.mark.parametrize(
    "field",
    ["phone", "recipient_phone", "e_mail", "email", "name", "sender_name", "text", "message_text", "body", "subject"],
)
def test_fields_about_people_and_their_words_are_dropped(field: str) -> None:
    record = remove_personal_data(None, "info", {"event": "message_seen", field: "I will be late", "message_id": "m1"})
    assert record[field] == REDACTED
    assert record["message_id"] == "m1"


@given(
    st.sampled_from(
        ["+12125550142", "(212) 555-0142", "212-555-0142", "212.555.0142", "amy@example.org", "a.b+c@x.example.com"]
    ),
    st.sampled_from(["problem", "detail", "url", "context"]),
    st.sampled_from(["to {} failed", "{}", "<{}>", "call:{}", "{} is wrong"]),
)
def test_numbers_and_addresses_are_dropped_from_any_text(value: str, field: str, words: str) -> None:
    nested = {"event": "send_failed", field: words.format(value), "more": {"why": [words.format(value)]}}
    assert value not in json.dumps(remove_personal_data(None, "info", nested))


def test_ids_and_times_survive() -> None:
    fields = {
        "message_id": "01a20b4f-6ce3-7283-9183-7172100f2ea2",
        "at": "2026-11-24T02:07:58.812479Z",
        "count": 2125550142,
    }
    assert remove_personal_data(None, "info", {"event": "message_seen", **fields}) == {
        "event": "message_seen",
        **fields,
    }


def test_an_event_is_a_name_and_not_a_sentence() -> None:
    assert remove_personal_data(None, "info", {"event": "Sent to Amy"})["event"] == "unnamed_event"


def test_objects_leave_only_their_class() -> None:
    class Person:
        def __repr__(self) -> str:
            return "Amy Stone"

    assert remove_personal_data(None, "info", {"event": "seen", "who": Person()})["who"] == "Person"


def test_exceptions_keep_frames_and_reason_and_lose_foreign_text(written: Any) -> None:
    configure_logs("queue", "serve", "INFO")
    try:
        try:
            int("Amy Stone")
        except ValueError as problem:
            raise NotFound("PERSON_NOT_FOUND", "Amy Stone is not here") from problem
    except NotFound:
        get_logger("services.queue").exception("rpc_failed")
    (record,) = written()
    assert "Amy" not in json.dumps(record)
    assert [(each["type"], each.get("reason")) for each in record["exception"]] == [
        ("NotFound", "PERSON_NOT_FOUND"), ("ValueError", None),
    ]  # fmt: skip
    assert "test_logs.py" in record["exception"][0]["frames"][-1]


def test_libraries_warnings_are_kept_cleaned_and_their_chatter_is_not(written: Any) -> None:
    configure_logs("queue", "serve", "INFO")
    logging.getLogger("library").info("hello")
    logging.getLogger("library").warning("cannot reach amy@example.org")
    (record,) = written()
    assert (record["event"], record["logger"], record["detail"]) == (
        "library_message",
        "library",
        f"cannot reach {REDACTED}",
    )
