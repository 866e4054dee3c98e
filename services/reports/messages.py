"""Rows to proto messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Viewer
from services.reports.callers import FLAGS, THREATS
from services.reports.decisions import Decision, Outcome
from services.reports.domain import (
    CALLS,
    COUNTERS,
    TEXT_SHOWN,
    FlagControl,
    Page,
    Report,
    can_be_referred,
    flag_control,
)
from services.reports.store.rows import is_threat

Row = dict[str, Any]
DECISIONS = {Outcome.KEPT: types.THREAT_DECISION_KEPT, Outcome.RELEASED: types.THREAT_DECISION_RELEASED}
_CONTROLS = {
    FlagControl.READ_ONLY: pb.FLAG_CONTROL_READ_ONLY,
    FlagControl.EDITABLE: pb.FLAG_CONTROL_EDITABLE,
    FlagControl.HIDDEN: pb.FLAG_CONTROL_HIDDEN,
    FlagControl.LOCKED: pb.FLAG_CONTROL_LOCKED,
}


def entry_messages(found: Sequence[Row], report: Report, viewer: Viewer | None) -> list[pb.EntryRow]:
    """Return rows of a report as the viewer sees them, or a district system."""
    held = viewer.permissions if viewer else frozenset[str]()
    may_flag, may_refer_threats = FLAGS in held, THREATS in held
    rows = []
    for row in found:
        may_refer = may_flag or (may_refer_threats and is_threat(row))
        message = entry_message(row, report, may_flag=may_flag, may_refer=may_refer)
        is_seen = viewer is None or viewer.sees_school(row["sender_school_id"])
        message.is_elsewhere = report is Report.THREATS and not is_seen
        rows.append(message)
    return rows


def entry_message(row: Row, report: Report, *, may_flag: bool, may_refer: bool) -> pb.EntryRow:
    """Return a row of a report. Outside Threat Messages a withheld row has neither subject nor text."""
    is_withheld = row["screening"] == "withheld"
    is_flagged = row["teacher_set_at"] is not None or row["system_set_at"] is not None
    is_admin_flagged = row["admin_set_at"] is not None
    is_shown = report is Report.THREATS or not is_withheld
    copied = ("sender_id", "is_secure", "referral_id", "version")
    message = pb.EntryRow(
        entry_id=str(row["entry_id"]),
        message_id=str(row["message_id"]),
        sent_at=row["sent_at"],
        channel=types.Channel.Value(f"CHANNEL_{row['channel'].upper()}"),
        subject=row["subject"] if is_shown else "",
        text=row["text"][:TEXT_SHOWN] if is_shown else "",
        source=types.Source.Value(f"SOURCE_{row['source'].upper()}"),
        sender_role=types.Role.Value(f"ROLE_{row['sender_role'].upper()}"),
        to=row["to_words"],
        recipient_type=types.RecipientType.Value(f"RECIPIENT_TYPE_{row['recipient_type'].upper()}"),
        **_regarding(row),
        counts=types.DeliveryCounts(**{name: row[name] for name in ("total", *COUNTERS)}),
        is_flagged=is_flagged,
        is_admin_flagged=is_admin_flagged,
        may_refer=may_refer
        and can_be_referred(
            row["sender_role"], is_flagged=is_flagged or is_admin_flagged, has_referral=bool(row["referral_id"])
        ),
        flag_control=_control(row, may_flag=may_flag),
        is_emergency=row["is_emergency"] and row["channel"] in CALLS,
        is_withheld=is_withheld,
        acknowledged_by=row["acknowledged_by"] or "",
        acknowledged_at=row["acknowledged_at"],
        is_imported=report is Report.THREATS and bool(row["is_imported"]),
        **_decided(row, report),
        categories=_categories(row) if report is Report.THREATS else [],
        tier=verdict_message(row).tier if report is Report.THREATS else 0,
        **{name: row[name] for name in copied},
    )
    # `from` is a word of Python's own.
    setattr(message, "from", row["from_words"])
    return message


def _regarding(row: Row) -> Row:
    """Return the students whom a message regards; none where some may be of schools that the viewer does not see."""
    if not row["sees_students"]:
        return {"hides_students": bool(row["regarding_count"])}
    return {
        "regarding": [pb.Student(**each) for each in row["regarding"]],
        "regarding_count": row["regarding_count"],
    }


def _decided(row: Row, report: Report) -> Row:
    """Return what was decided; History tells of a release alone."""
    if row["decision"] is None or (report is Report.HISTORY and row["released_at"] is None):
        return {}
    names = ("decided_by", "decided_at", "released_at")
    return {"decision": DECISIONS[Outcome(row["decision"])], **{name: row[name] for name in names}}


def decision_message(decision: Decision) -> pb.Decision:
    """Return a decision about a threat."""
    message = pb.Decision(
        number=decision.number,
        decision=DECISIONS[decision.outcome],
        reason=decision.reason,
        by=pb.StaffName(person_id=decision.person_id, name=decision.name),
    )
    message.decided_at.FromDatetime(decision.at)
    return message


def _control(row: Row, *, may_flag: bool) -> pb.FlagControl.ValueType:
    control = flag_control(
        may_flag=may_flag,
        has_referral=bool(row["referral_id"]),
        teacher_set_at=row["teacher_set_at"],
        admin_set_at=row["admin_set_at"],
    )
    return _CONTROLS[control]


def _categories(row: Row) -> list[types.CategoryScore]:
    held = [each for each in verdict_message(row).scores if each.holds]
    return sorted(held, key=lambda each: -each.score)


def verdict_message(row: Row) -> types.Verdict:
    """Return why the row's message was withheld; empty when it was not."""
    return types.Verdict.FromString(row["verdict"] or b"")


def page_message(page: Page) -> types.PageInfo:
    """Return where a page stands."""
    return types.PageInfo(number=page.number, size=page.size, total_rows=page.total_rows, total_pages=page.total_pages)


_OF_A_SCHEDULE = ("send_time", "rule", "sender_id", "sender_name", "is_emergency", "subject", "pause_reason")


def schedule_message(row: Row, now: datetime) -> pb.ScheduleRow:
    """Return a scheduled message. Between a sending and its event its next time is not known (statement 138)."""
    next_at = row["next_at"]
    return pb.ScheduleRow(
        schedule_id=str(row["schedule_id"]),
        start_date=row["start_date"].isoformat(),
        next_at=next_at if next_at and next_at > now else None,
        end_date=row["end_date"].isoformat() if row["end_date"] else "",
        channels=[types.Channel.Value(f"CHANNEL_{each.upper()}") for each in row["channels"]],
        is_paused=row["state"] == "paused",
        **{name: row[name] for name in _OF_A_SCHEDULE},
    )


def audit_message(row: Row) -> pb.AuditRecord:
    """Return a record of the audit log."""
    fields = ("at", "actor_id", "actor_name", "action", "detail")
    own = {name: row[name] for name in fields}
    return pb.AuditRecord(record_id=str(row["record_id"]), message_id=str(row["message_id"] or ""), **own)


def whole_text(rows: Sequence[Row]) -> str:
    """Return what a message says: its body, and of a poll or sign-up its questions too."""
    asked = next((row["text"] for row in rows if row["survey_id"]), "")
    return asked or rows[0]["body"] or rows[0]["text"]


def conversation_message(row: Row) -> pb.ConversationItem:
    """Return a message near a threat."""
    item = pb.ConversationItem(
        message_id=str(row["message_id"]),
        sent_at=row["sent_at"],
        text="\n".join(part for part in (row["subject"], row["asked"] or row["body"]) if part),
        is_withheld=row["screening"] == "withheld",
    )
    setattr(item, "from", row["from_words"])
    return item


def referral_message(row: Row) -> pb.Referral:
    """Return a referral."""
    copied = ("student_id", "student_name", "school_id", "notes", "created_at", "is_threat")
    return pb.Referral(
        referral_id=str(row["referral_id"]),
        message_id=str(row["message_id"]),
        reason=pb.ReferralReason.Value(f"REFERRAL_REASON_{row['reason'].upper()}"),
        told=[pb.StaffName(**each) for each in row["told"]],
        created_by=pb.StaffName(person_id=row["created_by_id"], name=row["created_by_name"]),
        entry_id=row["entry_id"] or "",
        **{name: row[name] for name in copied},
    )


def figures_message(row: Row) -> pb.ThreatFigures:
    """Return figures of one group of threats."""
    names = ("threats", "acknowledged", "decided", "released")
    message = pb.ThreatFigures(school_id=row.get("school_id", ""), **{name: row[name] for name in names})
    if "category" in row:
        message.category = types.Category.Value(f"CATEGORY_{row['category'].upper()}")
    for name, delay in (("acknowledged", message.to_acknowledge), ("decided", message.to_decision)):
        if row[f"{name}_median"] is not None:
            delay.median_seconds = max(0.0, float(row[f"{name}_median"]))
            delay.p90_seconds = max(0.0, float(row[f"{name}_p90"]))
    return message
