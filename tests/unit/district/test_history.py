"""The sample traffic: counts, truth of the outcomes, and that it fits the queue's import."""

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local.district.history.record import Line
from deploy.local.district.history.screening import CATEGORIES
from deploy.local.district.history.wire import PIECE, HistoryWire, Ids
from deploy.local.district.model import District
from deploy.local.district.source import data
from protos.types.v1 import types_pb2 as types
from tests.unit.district.conftest import EVERY_CHANNEL

CALL_OUT = {"sms", "tts", "recorded"}


@pytest.fixture
def wire(district: District) -> HistoryWire:
    people = {person.sourced_id: f"id-{person.sourced_id}" for person in district.people}
    return HistoryWire(district, Ids(people, {one.sourced_id: f"id-{one.sourced_id}" for one in district.schools}))


def outcomes(lines: list[Line]) -> list[dict[str, str]]:
    return [outcome for line in lines for one in line["recipients"] for outcome in one["outcomes"]]


def test_there_are_some_five_thousand_messages_of_every_kind_and_channel(lines: list[Line]) -> None:
    assert 4800 <= len(lines) <= 5300
    kinds = Counter(line["category"] for line in lines)
    assert set(kinds) == {*data("traffic")["counts"], "answer"}
    channels = Counter(entry["channel"] for line in lines for entry in line["entries"])
    assert set(channels) == set(EVERY_CHANNEL)
    assert sum(len(line["entries"]) > 1 for line in lines) > 1000


def test_texts_are_filled_and_fit(lines: list[Line]) -> None:
    for line in lines:
        texts = [line["subject"], line["body"], *(entry["text"] for entry in line["entries"])]
        assert not any(re.search(r"[{}]", text) for text in texts), line["id"]
        assert 0 < len(line["subject"]) <= 200
        assert 0 < len(line["body"]) <= 20_000
    assert len({line["body"] for line in lines}) > 2500


def test_everything_happened_in_the_sixty_days_before_in_order(lines: list[Line]) -> None:
    # Midnight of 24 November in New York is 05:00 UTC.
    end = datetime(2026, 11, 24, 5, tzinfo=UTC)
    moments = [datetime.fromisoformat(line["sent_at"]) for line in lines]
    assert moments == sorted(moments)
    assert end - timedelta(days=60, hours=1) <= moments[0]
    assert moments[-1] < end
    for line in lines:
        for one in line["recipients"]:
            for outcome in one["outcomes"]:
                assert line["sent_at"] <= outcome["at"] <= end.isoformat()


def test_ids_are_unique_and_every_name_leads_to_somebody(lines: list[Line], district: District) -> None:
    people = {person.sourced_id for person in district.people}
    assert len({line["id"] for line in lines}) == len(lines)
    for line in lines:
        assert line["sender"] in people
        assert line["recipients"]
        for one in line["recipients"]:
            assert one["type"] == "imported" or one["person"] in people
    known = {line["id"] for line in lines}
    assert {line["in_reply_to"] for line in lines} - {""} <= known


@pytest.mark.accepts(72, 74)
def test_once_per_family_sends_one_to_each_destination_and_marks_the_others(lines: list[Line]) -> None:
    shared = [line for line in lines if line["once_per_family"]]
    unusable = set(data("traffic")["invalid_contact_codes"].values())
    for line in shared:
        usable = [one for one in outcomes([line]) if one.get("error_code") not in unusable]
        real = Counter((one["channel"], one["destination"]) for one in usable if one["state"] != "duplicate")
        assert set(real.values()) == {1}
        assert set(real) == {(one["channel"], one["destination"]) for one in usable}
    assert sum(outcome["state"] == "duplicate" for outcome in outcomes(shared)) > 1000
    others = [line for line in lines if not line["once_per_family"]]
    assert not any(outcome["state"] == "duplicate" for outcome in outcomes(others))


def test_outcomes_go_wrong_as_often_as_the_page_says_and_say_why(lines: list[Line]) -> None:
    states = Counter(outcome["state"] for outcome in outcomes(lines))
    assert set(states) == {"sent", "error", "expired", "duplicate", "opted_out", "withheld"}
    tried = states["sent"] + states["error"] + states["expired"]
    assert 0.04 <= states["error"] / tried <= 0.10
    assert 0.001 <= states["expired"] / tried <= 0.01
    assert all(outcome.get("error_code") for outcome in outcomes(lines) if outcome["state"] == "error")


@pytest.mark.accepts(164, 170, 200)
def test_a_threat_was_withheld_on_every_channel_with_its_labels(lines: list[Line]) -> None:
    held = [line for line in lines if line["verdict"] and line["verdict"]["decision"] == "hold"]
    assert 30 <= len(held) <= 45
    assert {outcome["state"] for outcome in outcomes(held)} == {"withheld"}
    assert sum(len(line["entries"]) > 1 for line in held) >= 1
    labels = {label for line in held for label in line["verdict"]["holds"]}
    assert {"self_harm", "self_harm_intent", "threat", "violence", "insult", "discrimination"} <= labels
    for line in held:
        assert set(line["verdict"]["scores"]) == set(CATEGORIES)
        assert line["verdict"]["explanation"] in line["body"]
        assert line["verdict"]["tier"] in (1, 2, 3)


@pytest.mark.accepts(160)
def test_student_messages_alone_carry_a_verdict_and_go_to_staff(lines: list[Line], district: District) -> None:
    roles = {person.sourced_id: person.role for person in district.people}
    for line in lines:
        assert (line["verdict"] is not None) == (roles[line["sender"]] == "student")
        if line["verdict"]:
            assert {roles[one["person"]] for one in line["recipients"]} == {"teacher"}
    clean = [line["verdict"] for line in lines if line["verdict"] and line["verdict"]["decision"] == "clean"]
    assert not any(verdict["holds"] or verdict["watches"] for verdict in clean)


def test_reviews_name_staff_and_only_old_threats_are_acknowledged(lines: list[Line], district: District) -> None:
    staff = {person.sourced_id for person in [*district.staff, *district.teachers]}
    reviews = [(line, line["review"]) for line in lines if line["review"]]
    assert {next(iter(review)) for _, review in reviews} == {"flag", "acknowledgement"}
    for line, review in reviews:
        done = next(iter(review.values()))
        assert done["by"] in staff
        assert done["at"] >= line["sent_at"]
    threats = [line for line in lines if line["category"] == "threat"]
    assert 0 < sum(not line["review"] for line in threats) < len(threats) / 2


@pytest.mark.accepts(226, 227, 228)
def test_an_excluded_school_kept_to_itself(lines: list[Line], district: District) -> None:
    excluded = district.school("harbor-point").sourced_id
    for line in lines:
        schools = {one["school"] for one in line["recipients"]} - {""}
        if line["working_school"] == excluded:
            assert line["source"] == "school"
            assert line["kind"] == "ordinary"
            assert not CALL_OUT & {entry["channel"] for entry in line["entries"]}
        elif line["source"] == "district":
            assert excluded not in schools


def test_every_line_becomes_requests_that_the_queue_can_take(lines: list[Line], wire: HistoryWire) -> None:
    for line in lines:
        requests = list(wire.requests(json.loads(json.dumps(line))))
        assert sum(len(one.message.recipients) for one in requests) == len(line["recipients"])
        for request in requests:
            header = request.message.header
            assert header.idempotency_key == f"history/{line['id']}"
            assert len(header.channels) == len(line["entries"])
            assert request.ByteSize() < 4 * 1024 * 1024
            assert len(request.message.recipients) <= PIECE


def test_a_threat_on_the_wire_has_its_ten_scores_and_withheld_outcomes(lines: list[Line], wire: HistoryWire) -> None:
    line = next(line for line in lines if line["category"] == "threat")
    message = next(wire.requests(line)).message
    assert message.header.sender.role == types.ROLE_STUDENT
    assert message.header.sender.person_id == f"id-{line['sender']}"
    assert message.verdict.decision == types.Verdict.DECISION_HOLD
    assert len(message.verdict.scores) == 10
    assert [types.Category.Name(one.category).removeprefix("CATEGORY_").lower() for one in message.verdict.scores
            if one.holds] == line["verdict"]["holds"]  # fmt: skip
    assert message.recipients[0].outcomes[0].state == types.DELIVERY_STATE_WITHHELD


def test_an_uploaded_recipient_has_no_person(lines: list[Line], wire: HistoryWire) -> None:
    line = next(line for line in lines if line["category"] == "imported")
    recipient = next(wire.requests(line)).message.recipients[0]
    assert recipient.row.type == types.RECIPIENT_TYPE_IMPORTED
    assert recipient.row.recipient.person_id == ""
    assert recipient.row.recipient.email == recipient.outcomes[0].destination
