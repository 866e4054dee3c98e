"""Reading requests strictly: filters, rules, sort and page; every mistake is named by its field."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time

from protos.reports.v1 import reports_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id, is_id
from services.kit.rules import Kind, read_day
from services.kit.ruling import read_rules, read_table
from services.reports.actions.deciding import Deciding
from services.reports.decisions import LONGEST_REASON, Outcome
from services.reports.domain import (
    COLUMNS,
    LARGEST_PAGE,
    LONGEST_NOTES,
    MOST_TOLD,
    NewReferral,
    Order,
    Report,
    Search,
    Sight,
    day_bounds,
)
from services.reports.store.auditing import COLUMNS as AUDIT_COLUMNS
from services.reports.store.auditing import Asked
from services.reports.store.schedules import COLUMNS as SCHEDULE_COLUMNS
from services.reports.store.schedules import Wanted

OUTCOMES = {types.THREAT_DECISION_KEPT: Outcome.KEPT, types.THREAT_DECISION_RELEASED: Outcome.RELEASED}
_MOST_IDS = 1000
_LONGEST_VALUE = 200
_MOST_WATCHED = 500
_MOST_WORDS = 200
_NOT_OFFERED = {
    Report.THREATS: ("is_flagged",),
    Report.ATTENDANCE: ("is_secure", "is_emergency", "is_flagged", "sender_ids", "view_all_users"),
}
"""Filters that a report does not have (statements 123, 187)."""


_Days = tuple[datetime | None, datetime | None]


class _Problems:
    """What is wrong with a request, all of it."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []

    def add(self, pointer: str, detail: str) -> None:
        self.found.append((pointer, detail))

    def refuse(self, reason: str) -> None:
        if self.found:
            raise InvalidArgument(reason, "Some of this cannot be read.", violations=self.found)


def check_text(field: str, value: str, longest: int) -> str:
    """Return the text; InvalidArgument when it is too long to be searched for."""
    if len(value) > longest or "\x00" in value:
        raise InvalidArgument("SEARCH_MALFORMED", violations=[(f"/{field}", f"At most {longest} characters.")])
    return value


def check_export(asked: pb.RecordExportRequest) -> str:
    """Return the entry whose recipients are exported; InvalidArgument for a table that there is not."""
    if asked.table not in (
        asked.TABLE_RECIPIENTS, asked.TABLE_THREAT_RECIPIENTS, asked.TABLE_ATTENDANCE_RECIPIENTS, asked.TABLE_ANSWERS
    ):  # fmt: skip
        raise InvalidArgument("TABLE_UNKNOWN", violations=[("/table", "Name the table.")])
    check_text("state", asked.state, 20)
    return check_id("entry_id", asked.entry_id)


def read_referral(asked: pb.AddReferralRequest) -> NewReferral:
    """Return the referral; InvalidArgument names every field at fault."""
    problems = _Problems()
    if asked.reason not in pb.ReferralReason.values() or not asked.reason:
        problems.add("/reason", "Choose why.")
    if len(asked.notes) > LONGEST_NOTES or "\x00" in asked.notes:
        problems.add("/notes", f"Write at most {LONGEST_NOTES:,} characters.")
    if len(asked.told) > MOST_TOLD:
        problems.add("/told", f"Name at most {MOST_TOLD} people.")
    for position, each in enumerate(asked.told[:MOST_TOLD]):
        if not is_id(each.person_id) or not each.name or len(each.name) > _LONGEST_VALUE:
            problems.add(f"/told/{position}", "Name a person.")
    check_id("message_id", asked.message_id)
    problems.refuse("REFERRAL_INVALID")
    reason = pb.ReferralReason.Name(asked.reason).removeprefix("REFERRAL_REASON_").lower()
    told = {each.person_id: each.name for each in asked.told}
    people = [{"person_id": person_id, "name": name} for person_id, name in told.items()]
    return NewReferral(asked.message_id, reason, asked.notes.strip(), people)


def read_decision(asked: pb.DecideThreatRequest) -> Deciding:
    """Return the decision; InvalidArgument names every field at fault."""
    problems, reason = _Problems(), asked.reason.strip()
    if asked.decision not in OUTCOMES:
        problems.add("/decision", "Keep the message or release it.")
    if not 0 < len(reason) <= LONGEST_REASON or "\x00" in reason:
        problems.add("/reason", f"Say why in 1 to {LONGEST_REASON} characters.")
    check_id("message_id", asked.message_id)
    problems.refuse("DECISION_INVALID")
    return Deciding(asked.message_id, OUTCOMES[asked.decision], reason, asked.seen)


def check_watched(entry_ids: Sequence[str]) -> list[str]:
    """Return the entries to watch, each once; InvalidArgument unless there are 1 to 500."""
    if not 1 <= len(entry_ids) <= _MOST_WATCHED:
        wrong = [("/entry_ids", f"1 to {_MOST_WATCHED} entries can be watched.")]
        raise InvalidArgument("WATCH_MALFORMED", violations=wrong)
    return list(dict.fromkeys(check_id(f"entry_ids/{i}", each) for i, each in enumerate(entry_ids)))


def read_page(request: types.PageRequest) -> tuple[int, int]:
    """Return number and size as asked; InvalidArgument out of range."""
    problems = _Problems()
    if request.number < 0:
        problems.add("/page/number", "The first page is 1.")
    if not 0 <= request.size <= LARGEST_PAGE:
        problems.add("/page/size", f"A page has 1 to {LARGEST_PAGE} rows.")
    problems.refuse("PAGE_INVALID")
    return request.number, request.size


def read_schedules(asked: pb.SearchSchedulesRequest, sight: Sight, zone: str) -> Wanted:
    """Return a search of schedules; InvalidArgument names every mistake."""
    problems = _Problems()
    start = _day("/start_date", asked.start_date, problems)
    end = _day("/end_date", asked.end_date, problems)
    senders = _ids("sender_ids", asked.sender_ids, problems)
    rules = read_table(asked.rules, asked.sort, SCHEDULE_COLUMNS, wrong=problems.found)
    sort = asked.sort.column or "next_send_date"
    return Wanted(sight, zone, start, end, senders, sort, asked.sort.descending, rules)


def read_audit(asked: pb.ListAuditRequest, zone: str) -> Asked:
    """Return which records of the log are asked for; InvalidArgument for what cannot be read."""
    order = Order(asked.sort.column or "date", asked.sort.descending or not asked.sort.column)
    wrong = [("/action_words", f"At most {_MOST_WORDS}.")] if len(asked.action_words) > _MOST_WORDS else []
    rules = read_table(asked.rules, asked.sort, AUDIT_COLUMNS, wrong=wrong)
    return Asked(
        check_id("message_id", asked.message_id) if asked.message_id else "",
        check_text("action", asked.action, 50),
        check_text("actor", asked.actor.strip(), _LONGEST_VALUE),
        order,
        rules,
        zone,
        dict(asked.action_words),
    )


def read_order(sort: types.Sort) -> Order:
    """Return the order; date descending when none is asked for. InvalidArgument for an unknown column."""
    read_table((), sort, COLUMNS)
    return Order(sort.column, sort.descending) if sort.column else Order()


def read_search(report: Report, asked: pb.Filter, zone: str, columns: Mapping[str, Kind] = COLUMNS) -> Search:
    """Return the filters; dates and times are of the zone. InvalidArgument names every field that cannot be read."""
    problems = _Problems()
    since, before = _read_days(asked, "/filter", zone, problems)
    rules, wrong = read_rules(asked.rules, columns, "/filter/rules")
    problems.found += wrong
    for name in _NOT_OFFERED.get(report, ()):
        if getattr(asked, name):
            problems.add(f"/filter/{name}", "This report has no such filter.")
    search = Search(
        report=report,
        zone=zone,
        channels=tuple(_channels(asked.channels, problems)),
        school_ids=_ids("school_ids", asked.school_ids, problems),
        sender_ids=_ids("sender_ids", asked.sender_ids, problems),
        since=since,
        before=before,
        start_time=_clock("start_time", asked.start_time, problems),
        end_time=_clock("end_time", asked.end_time, problems),
        is_secure=asked.is_secure,
        is_emergency=asked.is_emergency,
        is_flagged=asked.is_flagged,
        rules=rules,
        message_ids=_ids("message_ids", asked.message_ids, problems),
    )
    problems.refuse("FILTER_INVALID")
    return search


def _ids(field: str, values: Sequence[str], problems: _Problems) -> tuple[str, ...]:
    if len(values) > _MOST_IDS:
        problems.add(f"/filter/{field}", f"At most {_MOST_IDS} are allowed.")
    for position, value in enumerate(values[:_MOST_IDS]):
        if not is_id(value):
            problems.add(f"/filter/{field}/{position}", "This is not an id.")
    return tuple(values)


def _channels(numbers: Sequence[int], problems: _Problems) -> Iterator[str]:
    for position, number in enumerate(numbers):
        if number in types.Channel.values() and number:
            yield types.Channel.Name(types.Channel.ValueType(number)).removeprefix("CHANNEL_").lower()
        else:
            problems.add(f"/filter/channels/{position}", "This is not a channel.")


def read_days(asked: pb.GetThreatFiguresRequest, zone: str) -> _Days:
    """Return [since, before) of a request's days; InvalidArgument names each that cannot be read."""
    problems = _Problems()
    days = _read_days(asked, "", zone, problems)
    problems.refuse("FILTER_INVALID")
    return days


def _read_days(asked: pb.Filter | pb.GetThreatFiguresRequest, place: str, zone: str, problems: _Problems) -> _Days:
    start = _day(f"{place}/start_date", asked.start_date, problems)
    return day_bounds(start, _day(f"{place}/end_date", asked.end_date, problems), zone)


def _day(pointer: str, text: str, problems: _Problems) -> date | None:
    found = read_day(text) if text else None
    if text and found is None:
        problems.add(pointer, "Write a date like 2026-11-14.")
    return found


def _clock(field: str, text: str, problems: _Problems) -> time | None:
    if not text:
        return None
    try:
        return time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
    except ValueError:
        problems.add(f"/filter/{field}", "Write a time like 08:30.")
        return None
