"""How values read on a page: dates in the district's zone, names of channels, states and labels."""

from datetime import UTC, date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from protos.moderation.v1 import moderation_pb2 as moderation
from protos.queue.v1 import senders_pb2 as senders
from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types


class Choice(NamedTuple):
    """A value of an address and its name on the page."""

    value: str
    label: str


CHANNELS = {
    types.CHANNEL_EMAIL: Choice("email", "E-mail"),
    types.CHANNEL_SMS: Choice("sms", "SMS"),
    types.CHANNEL_TTS: Choice("tts", "TTS"),
    types.CHANNEL_RECORDED: Choice("recorded", "Recorded"),
    types.CHANNEL_PUSH: Choice("push", "Push notifications"),
    types.CHANNEL_POLL: Choice("poll", "Poll"),
    types.CHANNEL_SIGNUP: Choice("signup", "Sign up"),
}
"""Channels, in the order of the Type filter (statements 23, 24)."""


CALLS = frozenset({types.CHANNEL_TTS, types.CHANNEL_RECORDED})
"""Channels that ring a telephone."""
CALL_OUT = frozenset({types.CHANNEL_SMS, *CALLS})
"""Channels of the Call Out module."""


MAILS = frozenset({types.CHANNEL_EMAIL, types.CHANNEL_POLL, types.CHANNEL_SIGNUP})
"""Channels that travel by e-mail."""
SURVEYS = frozenset({types.CHANNEL_POLL, types.CHANNEL_SIGNUP})
"""Channels that ask for an answer."""
LINKED = frozenset({types.CHANNEL_SMS, types.CHANNEL_PUSH, *SURVEYS})
"""Channels that carry each recipient's own link to answer, in a message that asks something."""


WAYS = {
    types.CHANNEL_EMAIL: "E-mail",
    types.CHANNEL_SMS: "SMS",
    types.CHANNEL_PUSH: "Push notifications",
    types.CHANNEL_TTS: "Text to speech",
    types.CHANNEL_RECORDED: "Recorded call",
    types.CHANNEL_POLL: "Poll",
    types.CHANNEL_SIGNUP: "Sign-up",
}
"""Channels as the composer offers them."""


TYPES = {
    types.MESSAGE_TYPE_EMERGENCY: "Emergencies",
    types.MESSAGE_TYPE_ATTENDANCE: "Attendance",
    types.MESSAGE_TYPE_ANNOUNCEMENT: "Announcements",
    types.MESSAGE_TYPE_SURVEY: "Polls and sign-ups",
    types.MESSAGE_TYPE_PERSONAL: "Personal messages",
}
"""Types of messages that one may not want."""
CONSENT_ORIGINS = {
    "inbound": "by a text",
    "provider": "as the provider says",
    "unsubscribe": "by the link of an e-mail",
}
"""Where a wish came from that staff did not enter."""
SUPPRESSED = {
    "hard_bounce": "Mail came back for good",
    "complaint": "Reported as spam",
    "invalid_number": "No number for texts",
}
"""Why an address or number is not written to."""
SENDER_TYPES = {
    types.MESSAGE_TYPE_UNSPECIFIED: "All messages",
    **TYPES,
    types.MESSAGE_TYPE_ALERT: "Threat alerts",
}
"""Types of messages that may have a sender of their own."""
SENDER_WAYS = {
    senders.SenderIdentity.WAY_EMAIL: "E-mail",
    senders.SenderIdentity.WAY_SMS: "SMS",
    senders.SenderIdentity.WAY_CALL: "Calls",
}
"""What shows where a message comes from."""


class State(NamedTuple):
    """One word of the fixed vocabulary of states (statement 247)."""

    label: str
    tone: str
    """good, wait, bad or quiet; the icon and colour follow it."""
    meaning: str


STATES = {
    types.DELIVERY_STATE_HELD: State("Awaiting screening", "wait", "Waits until the message has been screened."),
    types.DELIVERY_STATE_PENDING: State("Pending", "wait", "Waits in the queue."),
    types.DELIVERY_STATE_CLAIMED: State("Pending", "wait", "Being handed to the provider."),
    types.DELIVERY_STATE_HANDED_OFF: State("Pending", "wait", "The provider has it and has not confirmed delivery."),
    types.DELIVERY_STATE_SENT: State("Sent", "good", "Received by the recipient."),
    types.DELIVERY_STATE_ERROR: State("Error", "bad", "Could not be received."),
    types.DELIVERY_STATE_EXPIRED: State("Expired", "quiet", "Waited too long and was given up."),
    types.DELIVERY_STATE_DUPLICATE: State("Duplicate", "quiet", "Same contact as another recipient; sent once."),
    types.DELIVERY_STATE_WITHHELD: State("Withheld", "bad", "Stopped by screening."),
    types.DELIVERY_STATE_CANCELLED: State("Cancelled", "quiet", "Stopped by staff before it left."),
    types.DELIVERY_STATE_OPTED_OUT: State("Opted out", "quiet", "The family asked for no such messages."),
}
ICONS = {"good": "✓", "wait": "◷", "bad": "!", "quiet": "–"}
CATEGORIES = {
    types.CATEGORY_TOXICITY: "Toxicity",
    types.CATEGORY_SEVERE_TOXICITY: "Severe toxicity",
    types.CATEGORY_PROFANITY: "Profanity",
    types.CATEGORY_INSULT: "Insult",
    types.CATEGORY_DISCRIMINATION: "Discrimination",
    types.CATEGORY_THREAT: "Threat",
    types.CATEGORY_SELF_HARM: "Self-harm",
    types.CATEGORY_SELF_HARM_INTENT: "Self-harm intent",
    types.CATEGORY_SELF_HARM_DIRECTION: "Self-harm direction",
    types.CATEGORY_VIOLENCE: "Violence",
}
TIERS = {1: "Most urgent", 2: "Urgent", 3: "Same day"}
"""Severity tiers of the screening policy."""
DECISIONS = {
    types.Verdict.DECISION_CLEAN: State("Clean", "good", "Nothing was found."),
    types.Verdict.DECISION_WATCH: State("Noted", "wait", "It went out, and is counted for the student."),
    types.Verdict.DECISION_HOLD: State("Withheld", "bad", "It was not delivered."),
}
DECIDED = {
    types.THREAT_DECISION_UNSPECIFIED: State("Undecided", "wait", "Nobody has kept or released it yet."),
    types.THREAT_DECISION_KEPT: State("Kept", "bad", "A reviewer keeps it withheld."),
    types.THREAT_DECISION_RELEASED: State("Released", "good", "A false positive: it is delivered late."),
}
"""What reviewers decide about threats."""
OPINIONS = {
    moderation.Opinion.KIND_ALLOWED: State("Harmless", "good", "The reviewer would let it go out."),
    moderation.Opinion.KIND_REJECTED: State("Not to be delivered", "bad", "The reviewer would not let it go out."),
    moderation.Opinion.KIND_RESOLVED: State("Looked at", "quiet", "The reviewer did not say which."),
}
"""What reviewers at the vendor of moderation say."""
PROVIDERS = {
    "embedded": "the embedded model",
    "embedded-fallback": "the embedded model, because the provider did not answer",
    "moderationapi": "ModerationAPI",
    "nobody": "nobody, because judging failed",
}
UNJUDGED = "Screening failed on this message and can say nothing of it. It is withheld until a person has read it."
ROLES = {
    types.ROLE_ADMIN: "Administrator",
    types.ROLE_TEACHER: "Teacher",
    types.ROLE_STUDENT: "Student",
    types.ROLE_PARENT: "Parent or guardian",
}
SOURCES = {types.SOURCE_DISTRICT: "District", types.SOURCE_SCHOOL: "School"}
RECIPIENT_TYPES = {types.RECIPIENT_TYPE_DIRECTORY: "Directory", types.RECIPIENT_TYPE_IMPORTED: "Imported"}
HIDDEN_STUDENTS = "See the recipients"
"""In place of the students whom a message regards, where some may be of schools that the viewer does not see."""
REFERRAL_REASONS = {
    reports.REFERRAL_REASON_SELF_HARM: Choice("self_harm", "Danger to themselves"),
    reports.REFERRAL_REASON_THREAT: Choice("threat", "Danger to others"),
    reports.REFERRAL_REASON_BULLYING: Choice("bullying", "Bullying"),
    reports.REFERRAL_REASON_LANGUAGE: Choice("language", "Language"),
    reports.REFERRAL_REASON_OTHER: Choice("other", "Something else"),
}
ACTIONS = {
    "threat.viewed": "Opened the threat",
    "threats.searched": "Searched Threat Messages",
    "noted.viewed": "Saw which students were noted",
    "noted.searched": "Searched noted messages",
    "noted.closed": "Closed what was noted of a student",
    "threats.exported": "Exported Threat Messages",
    "history.exported": "Exported Communication History",
    "scheduled.exported": "Exported Scheduled Messages",
    "recipients.exported": "Exported recipients",
    "received.exported": "Exported what somebody received",
    "audit.exported": "Exported the audit log",
    "referrals.exported": "Exported referrals",
    "suppressions.exported": "Exported what is not written to",
    "flag.set": "Flagged",
    "flag.cleared": "Cleared the flag",
    "threat.acknowledged": "Acknowledged",
    "threat.kept": "Kept the message withheld",
    "threat.released": "Released the message",
    "referral.added": "Added a referral",
    "profile.changed": "Changed a profile's permissions",
    "profile.assigned": "Gave an administrator another profile",
    "school_field.changed": "Changed a field in School Fields",
    "school.changed": "Set a school's exclusion from communication",
    "quiet_hours.changed": "Changed a school's quiet hours",
    "roster.imported": "Imported a roster",
    "module.changed": "Switched a module",
    "attendance_rule.changed": "Changed an attendance rule",
    "consent.changed": "Changed what an address or number wants",
    "suppression.lifted": "Let an address or number be written to again",
    "emergency_exemption.changed": "Changed whether emergencies ask for consent",
    "sender.changed": "Changed a sender",
    "message.cancelled": "Stopped a message",
    "message.resent": "Sent a message again",
    "referral.viewed": "Opened the referral",
    "referral.deleted": "Deleted the referral",
}
"""What people did, by its name in the audit log."""


def moment(stamp: Timestamp) -> datetime | None:
    """Return an aware UTC time; None when the field is empty."""
    return stamp.ToDatetime(UTC) if stamp.seconds or stamp.nanos else None


def full_date(when: datetime, zone: ZoneInfo) -> str:
    """Return "14 Nov 2026, 8:05 am" in the zone."""
    local = when.astimezone(zone)
    return f"{local.day} {local:%b %Y}, {_time(local)}"


def short_date(when: datetime, zone: ZoneInfo, now: datetime) -> str:
    """Return the time for today, day and time for this year, the day alone for other years."""
    local, today = when.astimezone(zone), now.astimezone(zone)
    if local.date() == today.date():
        return _time(local)
    if local.year == today.year:
        return f"{local.day} {local:%b}, {_time(local)}"
    return f"{local.day} {local:%b %Y}"


def iso_day(text: str) -> str:
    """Return "30 Nov 2026" for an ISO date; an empty text stays empty."""
    when = date.fromisoformat(text) if text else None
    return f"{when.day} {when:%b %Y}" if when else ""


def clock(text: str) -> str:
    """Return "8:05 am" for "08:05"."""
    return _time(time.fromisoformat(text)) if text else ""


def ago(when: datetime, now: datetime) -> str:
    """Return "just now", "2 min ago", "3 h ago" or "4 days ago"."""
    minutes = int(max(0.0, (now - when).total_seconds()) // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{minutes // 60} h ago"
    return f"{minutes // (24 * 60)} days ago"


def lasting(seconds: float) -> str:
    """Return "40 s", "12 min", "3.5 h" or "2.1 days"."""
    for unit, length, limit in (("s", 1, 59.5), ("min", 60, 3570)):
        if seconds < limit:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def share(part: int, whole: int) -> str:
    """Return "12 %", or a dash of nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "–"


def count(number: int) -> str:
    """Return the number with thousands separated."""
    return f"{number:,}"


def destinations(value: str, channel: int) -> str:
    """Return where a delivery went as people read it: of a device the last six characters of its token."""
    each = [place.strip() for place in value.split(",") if place.strip()]
    if channel == types.CHANNEL_PUSH:
        each = [f"Device …{token[-6:]}" for token in each]
    return ", ".join(each)


def plural(number: int, one: str, many: str) -> str:
    """Return "1 message" or "2,000 messages"."""
    return f"{count(number)} {one if number == 1 else many}"


def _time(local: datetime | time) -> str:
    return f"{local.hour % 12 or 12}:{local.minute:02d} {'am' if local.hour < 12 else 'pm'}"
