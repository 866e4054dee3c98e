"""Rows to proto messages, and the messages that are handed to queue."""

from collections.abc import Sequence
from typing import Any

from protos.directory.v1 import directory_pb2 as directory
from protos.notify.v1 import notify_pb2 as pb
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.notify.domain import REMINDERS, TITLE, Occasion, Telling, Way, idempotency_key

Row = dict[str, Any]
WAYS = {types.CHANNEL_EMAIL: Way.EMAIL, types.CHANNEL_PUSH: Way.PUSH}
"""The way that each channel of a submission is."""
_OF_THREATS = {Occasion.ALERT, Occasion.FOLLOW_UP, Occasion.WARNING, *REMINDERS}
"""What comes from "Threat alerts"; were all else to come from there, nobody would open it any more."""
_PATIENT = (
    Occasion.REFERRAL,
    Occasion.SCHEDULE_PAUSED,
    Occasion.SCHEDULE_NOT_SENT,
    Occasion.ATTENDANCE_NOT_SENT,
    Occasion.PROVIDER_BACK,
    *REMINDERS,
)
_LANES = dict.fromkeys(_PATIENT, types.LANE_NORMAL)
"""Referrals, reminders, good news and what staff have set up wait until quiet hours end; all else is urgent."""
_AUDIENCES = {
    Occasion.REFERRAL: "Who follows up a referral",
    Occasion.STALLED: "Administrators",
    Occasion.DEAD_LETTER: "Administrators",
    Occasion.ACCOUNT_REFUSED: "Administrators",
    Occasion.MAIL_HELD_BACK: "Administrators",
    Occasion.SCHEDULE_PAUSED: "The sender of a schedule, and administrators",
    Occasion.SCHEDULE_NOT_SENT: "The sender of a schedule, and administrators",
    Occasion.ATTENDANCE_NOT_SENT: "The owner of an attendance rule, and administrators",
    Occasion.PROVIDER_OUT: "Administrators",
    Occasion.PROVIDER_BACK: "Administrators",
}


def alert_message(row: Row) -> pb.Alert:
    """Return an alert with the details of its threat."""
    verdict = types.Verdict.FromString(row["verdict"])
    held = sorted((each for each in verdict.scores if each.holds), key=lambda each: -each.score)
    return pb.Alert(
        alert_id=str(row["alert_id"]),
        message_id=str(row["message_id"]),
        person_id=row["person_id"],
        title=TITLE,
        raised_at=row["raised_at"],
        sender_name=row["sender_name"],
        recipient_names=row["recipient_names"],
        text=row["text"],
        is_dismissed=row["dismissed_at"] is not None,
        acknowledged_by=row["acknowledged_by"] or "",
        tier=verdict.tier,
        categories=held,
    )


def told_message(row: Row) -> pb.Told:
    """Return somebody who was told, with where that delivery stands."""
    fields = ("person_id", "name", "occasion", "way", "at", "error")
    state = types.DeliveryState.Value(f"DELIVERY_STATE_{row['state'].upper()}")
    return pb.Told(state=state, **{name: row[name] for name in fields})


def header(message_id: str, occasion: Occasion, telling: Telling) -> queue.MessageHeader:
    """Return the header of a submission; the same arguments always make the same."""
    is_of_threat = occasion in _OF_THREATS
    name = "Threat alerts" if is_of_threat else "Lantern"
    return queue.MessageHeader(
        idempotency_key=idempotency_key(message_id, occasion),
        sender=queue.Sender(name=name, role=types.ROLE_ADMIN),
        subject=telling.subject,
        body=telling.body,
        channels=[
            queue.ChannelContent(channel=types.CHANNEL_EMAIL, text=telling.body),
            queue.ChannelContent(channel=types.CHANNEL_PUSH, text=telling.push),
        ],
        source=types.SOURCE_DISTRICT,
        lane=_LANES.get(occasion, types.LANE_ALERT),
        kind=types.MESSAGE_KIND_ALERT,
        audience_summary=_AUDIENCES.get(occasion, "Holders of Threat Alerts"),
        language="en",
        alert_message_id=message_id if is_of_threat else "",
        from_title=name,
    )


def recipients(holders: Sequence[directory.Recipient]) -> queue.RecipientRows:
    """Return holders as the recipients of a submission."""
    return queue.RecipientRows(
        rows=[queue.RecipientRow(recipient=each, type=types.RECIPIENT_TYPE_DIRECTORY) for each in holders]
    )


def state_word(number: types.DeliveryState.ValueType) -> str:
    """Return the word of a delivery state: handed_off."""
    return types.DeliveryState.Name(number).removeprefix("DELIVERY_STATE_").lower()
