"""Pure rules of telling people: occasions, words, retries.

An alert is open until somebody acknowledges its threat, then dismissed for everybody, for ever (statement 203):

    open ──(acknowledgement of the threat)──► dismissed

A submission to queue is `pending` until queue takes it (`done`), or refuses it for good (`refused`):

    pending ──► done
       └─────► refused
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

TITLE = "Possible threat identified"
"""What a portal alert, a push and an e-mail say (statements 178, 183)."""
FIRST_RETRY_SECONDS = 0.25
LONGEST_RETRY_SECONDS = 15.0
LEASE_SECONDS = 30.0
"""How long one replica may take for a submission before another tries it; queue's idempotency key makes that safe."""


class Occasion(StrEnum):
    """Why people are told."""

    ALERT = "alert"
    FOLLOW_UP = "follow_up"
    WARNING = "warning"
    """To administrators: nobody holds Threat Alerts (statement 186)."""
    REFERRAL = "referral"
    """To those who follow up a referral."""
    STALLED = "stalled"
    """To administrators: messages wait too long for screening (statement 167)."""
    DEAD_LETTER = "dead_letter"
    """To administrators: an event that no consumer could take."""
    ACCOUNT_REFUSED = "account_refused"
    """To administrators: a provider takes nothing from our account."""
    MAIL_HELD_BACK = "mail_held_back"
    """To administrators: ordinary e-mail waits until somebody lets it go."""
    SCHEDULE_PAUSED = "schedule_paused"
    """To its sender and administrators: a schedule sends nothing any more."""
    SCHEDULE_NOT_SENT = "schedule_not_sent"
    """To its sender and administrators: a schedule left out a sending, and goes on."""
    ATTENDANCE_NOT_SENT = "attendance_not_sent"
    """To its owner and administrators: families were not told of absences."""
    PROVIDER_OUT = "provider_out"
    """To administrators: the embedded model decides in the vendor's place."""
    PROVIDER_BACK = "provider_back"
    """To administrators: the vendor judges again."""
    REMINDER_1 = "reminder_1"
    REMINDER_2 = "reminder_2"
    REMINDER_3 = "reminder_3"


REMINDERS = (Occasion.REMINDER_1, Occasion.REMINDER_2, Occasion.REMINDER_3)
"""That a threat was acknowledged and not decided (statement 302), in their order."""


class Way(StrEnum):
    """How somebody is told."""

    PORTAL = "portal"
    PUSH = "push"
    EMAIL = "email"


class Submitting(StrEnum):
    """Where a submission to queue stands."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True)
class Holder:
    """Somebody to be told."""

    person_id: str
    name: str


@dataclass(frozen=True)
class Telling:
    """What an e-mail and a push say. No text of a threat and no name of a student is ever in it (statement 183)."""

    subject: str
    body: str
    push: str


def link_to(portal_url: str, message_id: str) -> str:
    """Return where the threat is shown after signing in; empty without a portal."""
    return f"{portal_url.rstrip('/')}/reports/threats?message={message_id}" if portal_url else ""


def alert_words(link: str) -> Telling:
    """Return what holders are told of a threat."""
    return Telling(TITLE, _lines("A message was withheld because it may be a threat.", link), _push(f"{TITLE}.", link))


def warning_words(link: str, *, is_alerted: bool) -> Telling:
    """Return what administrators are told when nobody holds Threat Alerts, or only people of other schools do."""
    if is_alerted:
        what = f"{TITLE}, and nobody in its school is set to be told"
        why = "Nobody who sees the sender's school has Threat Alerts, so everybody else who has it was alerted."
    else:
        what = f"{TITLE}, and nobody is set to be told"
        why = "No profile that somebody has includes Threat Alerts."
    body = f"A message was withheld because it may be a threat. {why}"
    return Telling(what, _lines(body, link), _push(f"{what}.", link))


def reminder_words(link: str) -> Telling:
    """Return what those who were alerted are told while nobody decides."""
    what = "A possible threat was acknowledged, and nobody has decided to keep or to release the message."
    return Telling("Possible threat not decided", _lines(what, link), _push(what, link))


def stalled_words(messages: int, oldest_at: datetime, zone: str) -> Telling:
    """Return what administrators are told of messages that wait for screening, since when in the zone's time."""
    how_many = "1 message of a student has" if messages == 1 else f"{messages:,} messages of students have"
    what = f"{how_many} waited for screening since {_when(oldest_at, zone)}. Nothing is delivered unscreened."
    body = f"{what}\n\nAsk whoever runs the system to look at screening: the runbook says how.\n"
    return Telling("Messages wait for screening", body, what)


class Trouble(StrEnum):
    """Why the vendor of screening does not judge, as people are told."""

    SILENT = "ModerationAPI does not answer."
    QUOTA = "The quota of ModerationAPI is used up."
    REFUSED = "ModerationAPI refuses the key that it is asked with, or every text."


def provider_out_words(trouble: Trouble, began_at: datetime, zone: str) -> Telling:
    """Return what administrators are told when the embedded model decides, since when in the zone's time."""
    since = _when(began_at, zone)
    what = f"{trouble} The model that is built in decides in its place since {since}. Nothing is delivered unscreened."
    body = f"{what}\n\nAsk whoever runs the system to look at it: the runbook says how.\n"
    return Telling("Screening goes on without ModerationAPI", body, what)


def provider_back_words(began_at: datetime, ended_at: datetime, zone: str) -> Telling:
    """Return what administrators are told when the vendor judges again."""
    span = f"from {_when(began_at, zone)} to {_when(ended_at, zone)}"
    what = f"ModerationAPI screens messages again. The model that is built in decided in its place {span}."
    return Telling("ModerationAPI screens again", f"{what}\n", what)


_LOST = {
    "notify-threats": "A possible threat may have alerted nobody: look at Threat Messages.",
    "queue-reviews": "A message that a reviewer released may still be withheld: look at Threat Messages.",
    "queue-verdicts": "A message of a student may wait for screening although it was judged.",
    "moderation-screening": "A message of a student may wait for screening.",
}
"""What may have gone wrong when this consumer cannot take an event; other events end in reports and reminders."""


def dead_letter_words(durable: str) -> Telling:
    """Return what administrators are told of an event that a consumer could not take."""
    lost = _LOST.get(durable, "A report or an alert may lack something.")
    what = f"Something that happened could not be worked on ({durable}). {lost}"
    body = f"{what}\n\nAsk whoever runs the system to look at dead.{durable}: the runbook says how.\n"
    return Telling("Something could not be worked on", body, what)


_STOPPED = {
    Occasion.ACCOUNT_REFUSED: (
        "A provider refuses our account",
        "What waits leaves once that is mended; what failed can be sent again then.",
        "",
    ),
    Occasion.MAIL_HELD_BACK: (
        "E-mail is held back",
        "Ordinary e-mail waits until somebody lets it go on Contact standing; emergencies and alerts go out.",
        "contact-standing",
    ),
    Occasion.SCHEDULE_PAUSED: (
        "A scheduled message paused by itself",
        "It sends nothing until somebody resumes it. As its sender would read it:",
        "schedules/{}",
    ),
    Occasion.SCHEDULE_NOT_SENT: (
        "A scheduled message was not sent",
        "It goes out again on its next date. As its sender would read it:",
        "schedules/{}",
    ),
    Occasion.ATTENDANCE_NOT_SENT: (
        "Families were not told of absences",
        "An attendance rule sent nothing. As its owner would read it:",
        "attendance-rules/{}",
    ),
}
"""What is told of what stopped by itself: subject, what that means, and where it is looked at after signing in."""


def stopped_words(portal_url: str, occasion: Occasion, reason: str, subject_id: str) -> Telling:
    """Return what is told of something that stopped by itself: why, and what that means."""
    subject, means, page = _STOPPED[occasion]
    what = f"{means} {reason}"
    if not page:
        return Telling(subject, f"{what}\n", what)
    link = f"{portal_url.rstrip('/')}/{page.format(subject_id)}" if portal_url else ""
    return Telling(subject, _lines(what, link), _push(f"{subject}.", link))


def referral_words(portal_url: str, referral_id: str, added_by: str) -> Telling:
    """Return what those are told who follow up a referral: by whom it was added, and no name of a student."""
    link = f"{portal_url.rstrip('/')}/referrals/{referral_id}" if portal_url else ""
    what = f"{added_by} added a referral and named you to follow it up."
    return Telling("A referral for you to follow up", _lines(what, link), _push(what, link))


def follow_up_words(link: str, acknowledged_by: str, at: datetime, zone: str) -> Telling:
    """Return what holders are told of an acknowledgement: by whom and when (statement 205), in the zone's time."""
    what = f"{acknowledged_by} acknowledged a possible threat on {_when(at, zone)}."
    return Telling("Possible threat acknowledged", _lines(what, link), _push(what, link))


def _when(at: datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%B} {local.day}, {local.year}, {local:%H:%M} {local:%Z}"


def _lines(what: str, link: str) -> str:
    return f"{what}\n\nSign in to see it: {link}\n" if link else f"{what}\n\nSign in to the portal to see it.\n"


def _push(what: str, link: str) -> str:
    return f"{what} {link}" if link else f"{what} Sign in to see it."


def idempotency_key(message_id: str, occasion: Occasion) -> str:
    """Return queue's key of a submission: a threat and occasion leave once, whatever restarts (statement 181)."""
    return f"alert:{message_id}:{occasion}"


def retry_seconds(attempts: int) -> float:
    """Return the wait after so many failed attempts, from 0.25 s doubling to 15 s."""
    return float(min(FIRST_RETRY_SECONDS * 2 ** min(max(0, attempts - 1), 10), LONGEST_RETRY_SECONDS))
