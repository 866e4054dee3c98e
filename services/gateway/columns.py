"""The columns of every table: name in addresses, title, kind, and whether it is hidden until asked for."""

from typing import NamedTuple


class Column(NamedTuple):
    """A column of a table."""

    key: str
    """Name in addresses, in preferences and in the services' sorts."""
    title: str
    kind: str = "text"
    """text, number, date or tick; numbers are right-aligned."""
    is_hidden: bool = False
    """Not shown until the person asks for it (statement 57)."""
    is_sortable: bool = True


_COUNTS = (
    Column("total", "Total", "number"),
    Column("sent", "Sent", "number"),
    Column("pending", "Pending", "number"),
    Column("expired", "Expired", "number"),
    Column("errors", "Errors", "number"),
)
_HISTORY = (
    Column("date", "Date", "date"),
    Column("type", "Type"),
    Column("message", "Message"),
    Column("source", "Source"),
    Column("from", "From"),
    Column("to", "To"),
    Column("recipient_type", "Recipient type"),
    Column("regarding_student", "Regarding student"),
    *_COUNTS,
    Column("secure", "Secure", "tick"),
    Column("emergency", "Emergency", "tick"),
    Column("flagged", "Flagged", "tick"),
    Column("admin_flagged", "Admin flagged", "tick"),
    Column("referral", "Referral"),
    Column("duplicate", "Duplicate", "number", is_hidden=True),
    Column("withheld", "Withheld", "number", is_hidden=True),
    Column("cancelled", "Cancelled", "number", is_hidden=True),
    Column("opted_out", "Opted out", "number", is_hidden=True),
)
_ATTENDANCE = tuple(
    next(column for column in _HISTORY if column.key == key)
    for key in (
        "date", "type", "message", "source", "from", "recipient_type", "to", "regarding_student", "total", "sent",
        "pending", "errors",
    )
)  # fmt: skip
_THREATS = (
    Column("date", "Date", "date"),
    Column("type", "Type"),
    Column("message", "Message"),
    Column("source", "Source"),
    Column("from", "From"),
    Column("recipient_type", "Recipient type"),
    Column("to", "To"),
    Column("regarding_student", "Regarding student(s)"),
    Column("total", "Total", "number"),
    Column("sent", "Sent", "number"),
    Column("errors", "Errors", "number"),
    Column("flagged", "Flagged", "tick"),
    Column("referral", "Referral"),
    Column("acknowledge", "Acknowledge", is_sortable=False),
    Column("decision", "Decision"),
)
_SCHEDULED = (
    Column("start_date", "Start date", "date"),
    Column("sent_time", "Sent time"),
    Column("recursion", "Recursion"),
    Column("next_send_date", "Next send date", "date"),
    Column("end_date", "End date", "date"),
    Column("created_by", "Created by"),
    Column("type", "Type"),
    Column("emergency", "Emergency", "tick"),
)
_DELIVERY = (
    Column("last_update", "Last update", "date"),
    Column("status", "Status"),
    Column("type", "Type"),
    Column("name", "Name"),
    Column("destination", "Destination"),
    Column("school", "School"),
    Column("staff_id", "Staff ID"),
    Column("regarding_student", "Regarding student"),
    Column("student_id", "Student ID"),
    Column("message", "Message", is_sortable=False),
    Column("error", "Error"),
)
_EXPIRATION = Column("expiration", "Expiration", "date")
_RECEIVED = (
    Column("date", "Sent", "date"),
    Column("message", "Message"),
    Column("type", "Type"),
    Column("name", "Recipient"),
    Column("destination", "Destination"),
    Column("status", "Status"),
    Column("regarding_student", "Regarding student"),
    Column("from", "From"),
    Column("school", "School", is_hidden=True),
    Column("last_update", "Last update", "date"),
    Column("error", "Error"),
)
_AUDIT = (
    Column("date", "Date", "date"),
    Column("who", "Who"),
    Column("what", "What"),
    Column("message", "Message", is_sortable=False),
    Column("detail", "Detail"),
)
_ANSWERS = (Column("name", "Name"), Column("response", "Response"), Column("answered", "Answered", "date"))
_REFERRALS = (
    Column("date", "Date", "date"),
    Column("student", "Student"),
    Column("school", "School"),
    Column("why", "Why"),
    Column("told", "Followed up by"),
    Column("added_by", "Added by"),
)
_ATTENDANCE_RULES = (
    Column("name", "Name"),
    Column("on", "On", "tick"),
    Column("time", "Time"),
    Column("codes", "Codes"),
    Column("type", "Type", is_sortable=False),
    Column("schools", "Schools"),
    Column("made_by", "Made by"),
    Column("changed", "Last changed", "date"),
)
_REACH = (
    Column("name", "Student"),
    Column("student_id", "Student ID"),
    Column("school", "School"),
    Column("waiting", "Under way", "tick"),
    Column("tried", "What was tried", is_sortable=False),
)
_SUPPRESSIONS = (
    Column("since", "Since", "date", is_sortable=False),
    Column("way", "Way", is_sortable=False),
    Column("destination", "Address or number", is_sortable=False),
    Column("reason", "Why", is_sortable=False),
    Column("code", "Provider's code", is_sortable=False),
)
REPORTS: dict[str, tuple[Column, ...]] = {
    "history": _HISTORY,
    "attendance": _ATTENDANCE,
    "threats": _THREATS,
    "scheduled": _SCHEDULED,
    "audit": _AUDIT,
    "received": _RECEIVED,
    "referrals": _REFERRALS,
    "attendance-rules": _ATTENDANCE_RULES,
    "reach": _REACH,
    "answers": _ANSWERS,
    "suppressions": _SUPPRESSIONS,
    # Expiration is in History's recipients alone (statement 71).
    "recipients": (*_DELIVERY[:-1], _EXPIRATION, _DELIVERY[-1]),
    "attendance-recipients": _DELIVERY,
    "threat-recipients": _DELIVERY,
    "errors": _DELIVERY,
    "attendance-errors": _DELIVERY,
}
"""Every table whose columns a person may hide, by its name in preferences."""


def default_hidden(report: str) -> list[str]:
    """Return the columns that are hidden until asked for."""
    return [column.key for column in REPORTS[report] if column.is_hidden]


def shown(report: str, hidden: list[str]) -> list[Column]:
    """Return the columns to show; at least one."""
    columns = [column for column in REPORTS[report] if column.key not in hidden]
    return columns or list(REPORTS[report][:1])
