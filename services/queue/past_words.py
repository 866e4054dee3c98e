"""Proto to our words and back, for the history import of rpc.py."""

from dataclasses import replace

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.queue.actions.history import Imported
from services.queue.keys import hash_of
from services.queue.past_records import PastMessage, PastOutcome
from services.queue.records import TYPE_DIRECTORY, Addressee, Draft
from services.queue.words import STATE_NAMES, channel_name, draft, moment, shown


def past_message(message: pb.HistoryMessage) -> PastMessage:
    """Return a piece of a history import."""
    has_verdict = message.HasField("verdict")
    return PastMessage(
        draft=_past_draft(message.header),
        sent_at=moment(message.sent_at),
        recipients=[
            (_addressee(each.row), [_past_outcome(outcome) for outcome in each.outcomes]) for each in message.recipients
        ],
        verdict=message.verdict.SerializeToString() if has_verdict else None,
        is_withheld=has_verdict and message.verdict.decision == types.Verdict.DECISION_HOLD,
    )


def _past_draft(header: pb.MessageHeader) -> Draft:
    """Return the message of a header. What it answered has the id that the old system gave it, whatever its form."""
    plain = pb.MessageHeader()
    plain.CopyFrom(header)
    plain.ClearField("in_reply_to")
    return replace(draft(plain), in_reply_to=header.in_reply_to, header_hash=hash_of(header))


def _addressee(row: pb.RecipientRow) -> Addressee:
    """Return the addressee of a row."""
    person = row.recipient
    invalid = person.invalid_contacts
    return Addressee(
        person_id=person.person_id,
        name=shown(person.name),
        role=person.role,
        school_id=person.school_id,
        staff_id=person.staff_id,
        regarding_student_id=person.regarding_student_id,
        regarding_student_name=shown(person.regarding_student_name),
        student_number=person.student_number,
        language=person.language,
        email=person.email,
        mobile=person.mobile,
        devices=",".join(person.devices),
        has_account=person.has_account,
        invalid_email=invalid.get("email", ""),
        invalid_mobile=invalid.get("mobile", ""),
        type=row.type or TYPE_DIRECTORY,
        phones=",".join(person.phones),
        invalid_phone=invalid.get("mobile", "") or invalid.get("landline", ""),
    )


def _past_outcome(outcome: pb.HistoryOutcome) -> PastOutcome:
    state = STATE_NAMES.get(outcome.state)
    name = channel_name(outcome.channel)
    return PastOutcome(name, state, outcome.error_code, moment(outcome.at), outcome.destination)


def import_result(result: Imported) -> pb.ImportHistoryResponse:
    """Return what an import came to."""
    return pb.ImportHistoryResponse(
        imported=result.imported,
        repeated_messages=result.repeated,
        problems=[
            pb.HistoryProblem(position=position, idempotency_key=key, detail=detail)
            for position, key, detail in result.problems
        ],
    )
