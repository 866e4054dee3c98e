"""What a viewer sees, as conditions and expressions: every question to the tables goes through here."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from services.reports.domain import (
    CALLS,
    CHANNEL_LABELS,
    COUNTERS,
    HIDDEN_STUDENTS,
    NUMBERS,
    Origin,
    Referring,
    Report,
    Screening,
    Sight,
)
from services.reports.tables import (
    acknowledgements,
    alerted,
    decisions,
    entries,
    entry_counts,
    flags,
    messages,
    referrals,
    threats,
)

Condition = sa.ColumnElement[bool]
LISTED = sa.and_(messages.c.kind != "alert", messages.c.screening != Screening.HELD)
"""Alerts to staff are no rows of a report, and a message that waits for its verdict is shown to nobody (249)."""
_SOURCES = {"district": "District", "school": "School"}
_RECIPIENT_TYPES = {"directory": "Directory", "imported": "Imported"}


def _reaches(school_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    return messages.c.school_ids.bool_op("&&")(sa.cast(sorted(school_ids), ARRAY(sa.Text)))


def touches(school_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    """Tell whether a message was sent from one of the schools, or to somebody of one."""
    return sa.or_(messages.c.sender_school_id.in_(school_ids), _reaches(school_ids))


def visible(sight: Sight) -> sa.ColumnElement[bool]:
    """Return the condition on messages that a viewer may see (statements 6, 7)."""
    listed = sa.and_(LISTED, messages.c.kind == "attendance") if sight.attendance_alone else LISTED
    own = messages.c.sender_id == sight.person_id
    if not sight.all_users:
        return sa.and_(listed, own)
    if sight.is_district_wide:
        return listed
    schools = sorted(sight.schools)
    return sa.and_(listed, sa.or_(own, _is_theirs(sight) if sight.by_sender else _reaches(schools)))


def referable(referring: Referring) -> sa.ColumnElement[bool]:
    """Return the condition on messages for which somebody may refer a student, and delete the referral."""
    found: list[sa.ColumnElement[bool]] = [sa.false()]
    if referring.may_flag:
        found.append(visible(referring.sight))
    if referring.holds_threat_alerts:
        found.append(sa.and_(is_threat(), visible(referring.sight.for_threats())))
    return sa.or_(*found)


def followable(referring: Referring) -> sa.ColumnElement[bool]:
    """Return the condition on referrals and their messages of what somebody may read: theirs, or told to them.

    Being told shows no message of schools that somebody has nothing to do with.
    """
    sight = referring.sight
    is_told = referrals.c.told.contains([{"person_id": sight.person_id}])
    is_near = sa.true() if sight.is_district_wide else touches(sorted(sight.schools))
    return sa.or_(referable(referring), sa.and_(is_told, is_near))


def _is_from(schools: Sequence[str]) -> sa.ColumnElement[bool]:
    return messages.c.sender_school_id.in_(schools)


def _is_theirs(sight: Sight) -> sa.ColumnElement[bool]:
    """Tell whether a message is from the viewer's schools, or a threat of which they were alerted.

    Where nobody sees a school everybody is alerted (177), and who was may have left it since: they review that one.
    """
    is_near = _is_from(sorted(sight.schools))
    if not sight.holds_threat_alerts:
        return is_near
    found = sa.select(alerted.c.message_id).where(alerted.c.person_id == sight.person_id)
    return sa.or_(is_near, messages.c.message_id.in_(found))


def _is_whole(sight: Sight) -> sa.ColumnElement[bool]:
    """Tell whether the viewer sees every recipient of a message, as queue's list of them does.

    A threat of which they were alerted is counted whole, too, though that list stays closed to them.
    """
    own = messages.c.sender_id == sight.person_id
    if sight.by_sender:
        return sa.or_(own, _is_theirs(sight))
    if sight.holds_threat_alerts:
        return sa.or_(own, sa.and_(is_threat(), _is_from(sorted(sight.schools))))
    return own


def sees_recipient(sight: Sight, school_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Tell whether the viewer sees a recipient of this school, of a message that they see."""
    if sight.is_district_wide:
        return sa.true()
    return sa.or_(_is_whole(sight), school_id.in_(sorted(sight.schools)))


def sees_students(sight: Sight) -> sa.ColumnElement[bool]:
    """Tell whether the viewer may see every recipient of a message, and so each student whom it regards."""
    if sight.is_district_wide:
        return sa.true()
    its = entries.alias("its")
    elsewhere = (
        sa.select(1)
        .select_from(entry_counts.join(its, its.c.entry_id == entry_counts.c.entry_id))
        .where(its.c.message_id == messages.c.message_id, entry_counts.c.school_id.not_in(sorted(sight.schools)))
    )
    return sa.or_(_is_whole(sight), sa.not_(elsewhere.correlate(messages).exists()))


def counts_of(sight: Sight) -> sa.FromClause:
    """Return the sums of an entry's counters over the recipients that the viewer may see."""
    sums = [
        sa.cast(sa.func.coalesce(sa.func.sum(entry_counts.c[name]), 0), sa.BigInteger).label(name)
        for name in ("total", *COUNTERS)
    ]
    condition = sa.and_(entry_counts.c.entry_id == entries.c.entry_id, sees_recipient(sight, entry_counts.c.school_id))
    return sa.select(*sums).where(condition).correlate(entries, messages).lateral("counts")


def has_flag(*origins: Origin) -> sa.ColumnElement[bool]:
    """Tell whether one of these flags is set on the message."""
    return (
        sa.select(1)
        .where(flags.c.message_id == messages.c.message_id, flags.c.origin.in_(origins), flags.c.set_at.is_not(None))
        .correlate(messages)
        .exists()
    )


def is_threat() -> sa.ColumnElement[bool]:
    """Tell whether screening withheld the message, released by a reviewer since or not."""
    return sa.select(1).where(threats.c.message_id == messages.c.message_id).correlate(messages).exists()


def is_undecided() -> sa.ColumnElement[bool]:
    """Tell whether nobody decided the message's threat."""
    found = sa.select(1).where(decisions.c.message_id == messages.c.message_id)
    return sa.not_(found.correlate(messages).exists())


def _decision() -> sa.ColumnElement[str]:
    """Return what was decided last about the message's threat; an empty text while that is to be done."""
    mine = sa.select(decisions.c.outcome).where(decisions.c.message_id == messages.c.message_id).correlate(messages)
    latest = mine.order_by(decisions.c.number.desc()).limit(1).scalar_subquery()
    past = sa.select(sa.literal("imported")).where(threats.c.message_id == messages.c.message_id, threats.c.is_imported)
    return sa.func.coalesce(latest, past.correlate(messages).scalar_subquery(), "")


def is_acknowledged() -> sa.ColumnElement[bool]:
    """Tell whether the message's threat is acknowledged."""
    found = sa.select(1).where(acknowledgements.c.message_id == messages.c.message_id)
    return found.correlate(messages).exists()


def message_words(report: Report) -> sa.ColumnElement[str]:
    """Return what the Message column says; outside Threat Messages nobody may find a withheld text by its words."""
    words = messages.c.subject.concat(" ").concat(entries.c.text)
    if report is Report.THREATS:
        return words
    return sa.case((messages.c.screening == Screening.WITHHELD, ""), else_=words)


def is_emergency_call() -> sa.ColumnElement[bool]:
    """Return whether a row is an emergency call; the e-mail that goes with it is none (statements 30, 46)."""
    return sa.and_(messages.c.is_emergency, entries.c.channel.in_(CALLS))


def _students(sight: Sight) -> sa.ColumnElement[str]:
    """Return what the Regarding Student column says; most messages regard nobody, which asks for no recipients."""
    words = messages.c.regarding_words
    return sa.case((words == "", ""), (sees_students(sight), words), else_=HIDDEN_STUDENTS)


def column_value(column: str, report: Report, sight: Sight, counts: sa.FromClause) -> sa.ColumnElement[Any]:
    """Return the value of a column as it sorts and is compared; text in lower case. Never NULL."""
    if column in NUMBERS:
        first, *others = (counts.c[name] for name in NUMBERS[column])
        return sum(others, first)
    texts: dict[str, sa.ColumnElement[str]] = {
        "message": message_words(report),
        "type": sa.case(CHANNEL_LABELS, value=entries.c.channel),
        "source": sa.case(_SOURCES, value=messages.c.source),
        "recipient_type": sa.case(_RECIPIENT_TYPES, value=messages.c.recipient_type),
        "from": messages.c.from_words,
        "to": messages.c.to_words,
        "regarding_student": _students(sight),
        "referral": messages.c.referral_id,
        "decision": _decision(),
    }
    if column in texts:
        return sa.func.lower(texts[column], type_=sa.Text())
    ticks: dict[str, sa.ColumnElement[bool]] = {
        "secure": messages.c.is_secure,
        "emergency": is_emergency_call(),
        "flagged": has_flag(Origin.TEACHER, Origin.SYSTEM),
        "admin_flagged": has_flag(Origin.ADMIN),
        "acknowledge": is_acknowledged(),
    }
    values: dict[str, sa.ColumnElement[Any]] = {**ticks, "date": entries.c.sent_at}
    return values[column]
