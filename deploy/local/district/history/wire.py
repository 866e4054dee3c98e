"""Lines of past traffic as the pieces that the queue's ImportHistory takes.

The lines name people and schools by their OneRoster sourcedId; `Ids` says what directory calls them after the roster
import. Not on the wire: `review` (reports owns flags and acknowledgements) and `in_reply_to` (the queue gives imported
messages ids of its own).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from deploy.local.district.model import District, Person
from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.directory.contacts import read_contact

PIECE = 5_000
_ROLES = {"student": types.ROLE_STUDENT, "teacher": types.ROLE_TEACHER, "parent": types.ROLE_PARENT,
          "guardian": types.ROLE_PARENT, "relative": types.ROLE_PARENT}  # fmt: skip


@dataclass(frozen=True)
class Ids:
    """What directory calls the people and schools: sourcedId to id."""

    people: Mapping[str, str]
    schools: Mapping[str, str]


class HistoryWire:
    """Builds requests for one district."""

    def __init__(self, district: District, ids: Ids) -> None:
        self._ids = ids
        self._people = {person.sourced_id: person for person in district.people}
        self._recipients: dict[tuple[str, str, str], queue.RecipientRow] = {}

    def requests(self, line: Mapping[str, Any]) -> Iterator[queue.ImportHistoryRequest]:
        """Yield a line's requests: one, or several for a message with more than 5,000 recipients."""
        message = queue.HistoryMessage(header=self._header(line), sent_at=_timestamp(line["sent_at"]))
        if line["verdict"]:
            message.verdict.CopyFrom(_verdict(line["verdict"]))
        for start in range(0, len(line["recipients"]), PIECE):
            piece = queue.ImportHistoryRequest(message=message)
            piece.message.recipients.extend(self._recipient(one) for one in line["recipients"][start : start + PIECE])
            yield piece

    def _header(self, line: Mapping[str, Any]) -> queue.MessageHeader:
        sender = self._people[line["sender"]]
        return queue.MessageHeader(
            idempotency_key=f"history/{line['id']}",
            sender=queue.Sender(
                person_id=self._ids.people[sender.sourced_id], name=shown_name(sender), role=role_of(sender),
                school_id=self._ids.schools.get(line["working_school"], ""), grade=sender.grade,
            ),
            subject=line["subject"], body=line["body"], is_secure=line["is_secure"], is_emergency=line["is_emergency"],
            channels=[queue.ChannelContent(channel=_channel(one["channel"]), text=one["text"])
                      for one in line["entries"]],
            source=types.SOURCE_DISTRICT if line["source"] == "district" else types.SOURCE_SCHOOL,
            kind=types.MESSAGE_KIND_ATTENDANCE if line["kind"] == "attendance" else types.MESSAGE_KIND_ORDINARY,
            once_per_family=line["once_per_family"], audience_summary=line["audience_summary"],
            language=line["language"], from_title=line["from_title"],
        )  # fmt: skip

    def _recipient(self, one: Mapping[str, Any]) -> queue.HistoryRecipient:
        recipient = queue.HistoryRecipient(row=self._row(one))
        recipient.outcomes.extend(_outcome(outcome) for outcome in one["outcomes"])
        return recipient

    def _row(self, one: Mapping[str, Any]) -> queue.RecipientRow:
        if one["type"] == "imported":
            uploaded = directory.Recipient(name=one["name"], email=one["outcomes"][0]["destination"])
            return queue.RecipientRow(recipient=uploaded, type=types.RECIPIENT_TYPE_IMPORTED)
        key = (one["person"], one.get("student", ""), one["school"])
        if key not in self._recipients:
            row = self._from_directory(*key)
            self._recipients[key] = queue.RecipientRow(recipient=row, type=types.RECIPIENT_TYPE_DIRECTORY)
        return self._recipients[key]

    def _from_directory(self, person_id: str, student_id: str, school_id: str) -> directory.Recipient:
        person, student = self._people[person_id], self._people.get(student_id)
        recipient = directory.Recipient(
            person_id=self._ids.people[person_id], name=shown_name(person), role=role_of(person),
            school_id=self._ids.schools[school_id], language=person.language, has_account=person.has_account,
        )  # fmt: skip
        if recipient.role in (types.ROLE_ADMIN, types.ROLE_TEACHER):
            recipient.staff_id = person.number
        if student:
            recipient.regarding_student_id = self._ids.people[student_id]
            recipient.regarding_student_name, recipient.student_number = shown_name(student), student.number
        _add_contacts(recipient, person)
        return recipient


def shown_name(person: Person) -> str:
    """Return the name that directory shows: preferred given name and family name."""
    return f"{person.preferred_given or person.given} {person.family}"


def role_of(person: Person) -> types.Role.ValueType:
    """Return whose account a person has; every role of OneRoster that is not listed is staff."""
    return _ROLES.get(person.role, types.ROLE_ADMIN)


def _add_contacts(recipient: directory.Recipient, person: Person) -> None:
    for kind, value in (("email", person.email), ("mobile", person.mobile), ("landline", person.landline)):
        contact = read_contact(kind, value) if value else None
        if contact and contact.problem:
            recipient.invalid_contacts[kind] = contact.value
        elif contact and kind == "email":
            recipient.email = contact.value
        elif contact:
            recipient.phones.append(contact.value)
            if kind == "mobile":
                recipient.mobile = contact.value
    recipient.devices.extend(person.devices)


def _channel(name: str) -> types.Channel.ValueType:
    return types.Channel.Value(f"CHANNEL_{name.upper()}")


def _outcome(outcome: Mapping[str, str]) -> queue.HistoryOutcome:
    return queue.HistoryOutcome(
        channel=_channel(outcome["channel"]), error_code=outcome.get("error_code", ""), at=_timestamp(outcome["at"]),
        state=types.DeliveryState.Value(f"DELIVERY_STATE_{outcome['state'].upper()}"),
        destination=outcome["destination"],
    )  # fmt: skip


def _timestamp(text: str) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(datetime.fromisoformat(text))
    return moment


def _verdict(verdict: Mapping[str, Any]) -> types.Verdict:
    return types.Verdict(
        decision=types.Verdict.Decision.Value(f"DECISION_{verdict['decision'].upper()}"),
        scores=[
            types.CategoryScore(category=types.Category.Value(f"CATEGORY_{name.upper()}"), score=score,
                                holds=name in verdict["holds"], watches=name in verdict["watches"])
            for name, score in verdict["scores"].items()
        ],
        provider=verdict["provider"], model=verdict["model"], policy_version=verdict["policy_version"],
        explanation=verdict["explanation"], tier=verdict["tier"], reached_at=_timestamp(verdict["reached_at"]),
    )  # fmt: skip
