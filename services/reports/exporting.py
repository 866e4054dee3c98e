"""Which tables can be exported, by whom, and what the audit log keeps of it: names and ids, never typed words."""

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.reports.v1 import reports_pb2 as pb
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id
from services.kit.ruling import MOST_RULES
from services.reports import requests
from services.reports.actions import reading
from services.reports.callers import (
    AUDIT,
    REPORTS,
    THREATS,
    actor_of,
    check_all_users,
    detail_of,
    operator,
    permitted,
    referrer,
    sight_in,
)
from services.reports.domain import COLUMNS, Report
from services.reports.messages import entry_messages
from services.reports.store import schedules
from services.reports.store.auditing import Actor

_Request = pb.RecordExportRequest
_REPORTS = {
    _Request.TABLE_THREATS: Report.THREATS,
    _Request.TABLE_THREAT_RECIPIENTS: Report.THREATS,
    _Request.TABLE_ATTENDANCE: Report.ATTENDANCE,
    _Request.TABLE_ATTENDANCE_RECIPIENTS: Report.ATTENDANCE,
}
"""The report that an exported table belongs to; History without an entry here."""
_ENTRIES = {
    _Request.TABLE_HISTORY: Report.HISTORY,
    _Request.TABLE_THREATS: Report.THREATS,
    _Request.TABLE_ATTENDANCE: Report.ATTENDANCE,
}
_PLAIN = frozenset(
    {_Request.TABLE_AUDIT, _Request.TABLE_REFERRALS, _Request.TABLE_RECEIVED, _Request.TABLE_SUPPRESSIONS}
)
"""Tables that have no report's filters."""
_ACTIONS = {
    _Request.TABLE_HISTORY: "history.exported",
    _Request.TABLE_THREATS: "threats.exported",
    _Request.TABLE_SCHEDULED: "scheduled.exported",
    _Request.TABLE_ATTENDANCE: "attendance.exported",
}


async def pieces(
    engine: AsyncEngine, asked: pb.ExportEntriesRequest, zone: str
) -> AsyncIterator[pb.ExportEntriesResponse]:
    """Yield every row that the viewer's search finds. PermissionDenied and InvalidArgument as that answers."""
    if asked.table not in _ENTRIES:
        violations = [("/table", "History, Attendance or Threat Messages.")]
        raise InvalidArgument("FILTER_INVALID", "Some filters cannot be read.", violations=violations)
    report = _ENTRIES[asked.table]
    viewer = permitted(THREATS if report is Report.THREATS else REPORTS)
    check_all_users(viewer, asked.filter)
    wanted, order = requests.read_search(report, asked.filter, zone), requests.read_order(asked.sort)
    async for rows in reading.export(engine, sight_in(report, viewer), wanted, order):
        yield pb.ExportEntriesResponse(rows=entry_messages(rows, report, viewer))


async def log(engine: AsyncEngine, clock: Clock, asked: pb.RecordExportRequest, zone: str) -> None:
    """Log that the viewer exports a table. PermissionDenied and InvalidArgument as its search would answer."""
    if asked.table in _PLAIN:
        await reading.log(engine, clock, *_plain(asked))
        return
    report = _REPORTS.get(asked.table, Report.HISTORY)
    viewer = permitted(THREATS if report is Report.THREATS else REPORTS)
    if asked.table in _ACTIONS:
        check_all_users(viewer, asked.filter)
        # What the log keeps of a filter is what a search would have taken.
        is_scheduled = asked.table == _Request.TABLE_SCHEDULED
        requests.read_search(report, asked.filter, zone, schedules.COLUMNS if is_scheduled else COLUMNS)
        await reading.log(engine, clock, actor_of(viewer), _ACTIONS[asked.table], detail_of(asked.filter))
        return
    entry_id = requests.check_export(asked)
    rules = _ruled(asked)
    rows = "answers" if asked.table == _Request.TABLE_ANSWERS else f"state={asked.state or 'all'}"
    detail = " ".join([f"entry={entry_id} {rows}", *rules])
    await reading.log_export(engine, clock, sight_in(report, viewer), actor_of(viewer), entry_id, detail)


def _ruled(asked: pb.RecordExportRequest) -> list[str]:
    """Return the columns that have rules, without what the rules say."""
    return [f"rule={requests.check_text('filter/rules', each.column, 30)}" for each in asked.filter.rules[:MOST_RULES]]


def _when_and_how(asked: pb.RecordExportRequest) -> list[str]:
    """Return the period and the channels that are asked for."""
    since, until = (requests.check_text("filter", day, 10) for day in (asked.filter.start_date, asked.filter.end_date))
    detail = detail_of(pb.Filter(channels=asked.filter.channels, start_date=since, end_date=until))
    return [detail] if detail else []


def _plain(asked: pb.RecordExportRequest) -> tuple[Actor, str, str]:
    """Return who exports a table that has no report's filters, the action and its detail."""
    if asked.table == _Request.TABLE_REFERRALS:
        mine = ["mine"] if asked.state == "mine" else []
        return referrer()[1], "referrals.exported", " ".join([*mine, *_ruled(asked)])
    if asked.table == _Request.TABLE_RECEIVED:
        parts = [f"person={check_id('person_id', asked.person_id)}", *_when_and_how(asked), *_ruled(asked)]
        return actor_of(permitted(REPORTS)), "received.exported", " ".join(parts)
    if asked.table == _Request.TABLE_SUPPRESSIONS:
        reason = requests.check_text("state", asked.state, 20)
        parts = [*([f"reason={reason}"] if reason else []), *_when_and_how(asked), *_ruled(asked)]
        return actor_of(operator()), "suppressions.exported", " ".join(parts)
    action = requests.check_text("state", asked.state, 50)
    messages = [check_id("filter/message_ids", each) for each in asked.filter.message_ids[:1]]
    parts = [f"action={action}"] if action else []
    parts += [*(f"message={each}" for each in messages), *_ruled(asked)]
    return actor_of(permitted(AUDIT)), "audit.exported", " ".join(parts)
