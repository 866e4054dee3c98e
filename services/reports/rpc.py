"""ReportsService: proto to action to proto. Checks the viewer's permissions and the form of each request."""

import time
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.reports.v1 import reports_pb2 as pb
from protos.reports.v1 import reports_pb2_grpc
from services.kit.auth import Viewer, current_caller, require_viewer
from services.kit.clock import Clock, utc_now
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.listening import Listener
from services.reports import actions, messages, requests
from services.reports.domain import EVERYTHING, Order, Origin, Report, Sight
from services.reports.metrics import search_duration, searches, watchers
from services.reports.store.intake import CHANNEL
from services.reports.store.review import Actor

_ORIGINS = {
    pb.SetFlagRequest.ORIGIN_TEACHER: Origin.TEACHER,
    pb.SetFlagRequest.ORIGIN_ADMIN: Origin.ADMIN,
    pb.SetFlagRequest.ORIGIN_SYSTEM: Origin.SYSTEM,
}
_REPORTS = "communication_reports"
_THREATS = "threat_alerts"
_FLAGS = "flag_messages"
_AUDIT = "view_audit"
_LONGEST_QUERY = 100


def _viewer(*permissions: str) -> Viewer:
    """Return the viewer, who holds one of the permissions; PermissionDenied otherwise."""
    viewer = require_viewer()
    if not viewer.permissions & set(permissions):
        raise PermissionDenied(
            "PERMISSION_MISSING",
            "Your profile does not include this.",
            metadata={"permission": " or ".join(permissions)},
        )
    return viewer


def _sight(viewer: Viewer) -> Sight:
    return Sight(viewer.person_id, viewer.schools, viewer.all_users, _THREATS in viewer.permissions)


def _actor(viewer: Viewer) -> Actor:
    return Actor(viewer.person_id, viewer.name)


def _check_all_users(viewer: Viewer, wanted: pb.Filter) -> None:
    """Statement 36: the tick is refused to whoever may not have it."""
    if wanted.view_all_users and not viewer.all_users:
        raise PermissionDenied("ALL_USERS_NOT_ALLOWED", "Your profile does not include messages of other users.")


class ReportsServicer(reports_pb2_grpc.ReportsServiceServicer):
    """Answers ReportsService from one database."""

    def __init__(self, engine: AsyncEngine, listener: Listener, time_zone: str, clock: Clock = utc_now) -> None:
        """time_zone is the district's: dates and times of filters are of it. The listener hears moving rows."""
        self._engine, self._listener, self._zone, self._clock = engine, listener, time_zone, clock

    async def SearchHistory(self, request: pb.SearchHistoryRequest, context: Any) -> pb.SearchHistoryResponse:
        """See the proto."""
        viewer = _viewer(_REPORTS)
        found = await self._search(Report.HISTORY, viewer, _sight(viewer), request)
        answer = pb.SearchHistoryResponse(
            rows=_rows(found.rows, Report.HISTORY, viewer), page=messages.page_message(found.page)
        )
        answer.as_of.FromDatetime(self._clock())
        return answer

    async def SearchThreats(self, request: pb.SearchThreatsRequest, context: Any) -> pb.SearchThreatsResponse:
        """See the proto."""
        viewer = _viewer(_THREATS)
        found = await self._search(Report.THREATS, viewer, _sight(viewer).for_threats(), request)
        detail = _detail(request.filter)
        await actions.audit_search(self._engine, self._clock, _actor(viewer), "threats.searched", detail)
        return pb.SearchThreatsResponse(
            rows=_rows(found.rows, Report.THREATS, viewer),
            page=messages.page_message(found.page),
            open=found.open_threats,
        )

    async def _search(
        self, report: Report, viewer: Viewer, sight: Sight, request: pb.SearchHistoryRequest | pb.SearchThreatsRequest
    ) -> actions.Found:
        _check_all_users(viewer, request.filter)
        wanted = requests.read_search(report, request.filter, self._zone)
        order, page = requests.read_order(request.sort), requests.read_page(request.page)
        started = time.monotonic()
        found = await actions.search(self._engine, sight, wanted, order, *page)
        searches.add(1, {"report": report})
        search_duration.record(time.monotonic() - started, {"report": report})
        return found

    async def GetEntry(self, request: pb.GetEntryRequest, context: Any) -> pb.GetEntryResponse:
        """See the proto."""
        viewer = _viewer(_REPORTS)
        wanted, order = None, Order()
        if request.HasField("filter"):
            _check_all_users(viewer, request.filter)
            wanted = requests.read_search(Report.HISTORY, request.filter, self._zone)
            order = requests.read_order(request.sort)
        entry_id = requests.check_id("entry_id", request.entry_id)
        row, before, after = await actions.get_entry(self._engine, _sight(viewer), entry_id, wanted, order)
        return pb.GetEntryResponse(
            row=_rows([row], Report.HISTORY, viewer)[0],
            text="" if row["screening"] == "withheld" else row["text"],
            previous_entry_id=before,
            next_entry_id=after,
        )

    async def GetThreat(self, request: pb.GetThreatRequest, context: Any) -> pb.GetThreatResponse:
        """See the proto."""
        viewer = _viewer(_THREATS)
        message_id = requests.check_id("message_id", request.message_id)
        sight = _sight(viewer).for_threats()
        threat = await actions.get_threat(self._engine, self._clock, sight, _actor(viewer), message_id)
        first = threat.rows[0]
        return pb.GetThreatResponse(
            rows=_rows(threat.rows, Report.THREATS, viewer),
            text=first["body"] or first["text"],
            verdict=messages.verdict_message(first),
            recipient_names=first["recipient_names"],
            history=[messages.audit_message(each) for each in threat.history],
            conversation=[messages.conversation_message(each) for each in threat.conversation],
        )

    async def SetFlag(self, request: pb.SetFlagRequest, context: Any) -> pb.SetFlagResponse:
        """See the proto. A teacher's flag comes from the district system that teachers flag in, not from a viewer."""
        origin = _ORIGINS.get(request.origin)
        if origin is None:
            raise InvalidArgument("ORIGIN_UNKNOWN", violations=[("/origin", "Say whose flag it is.")])
        message_id = requests.check_id("message_id", request.message_id)
        sight, actor, viewer = _flagger(origin)
        found = await actions.set_flag(self._engine, self._clock, sight, actor, message_id, origin, request.is_flagged)
        report = Report.THREATS if origin is Origin.SYSTEM else Report.HISTORY
        return pb.SetFlagResponse(rows=_rows(found, report, viewer))

    async def AcknowledgeThreat(
        self, request: pb.AcknowledgeThreatRequest, context: Any
    ) -> pb.AcknowledgeThreatResponse:
        """See the proto."""
        viewer = _viewer(_THREATS)
        message_id = requests.check_id("message_id", request.message_id)
        sight = _sight(viewer).for_threats()
        done = await actions.acknowledge(self._engine, self._clock, sight, _actor(viewer), message_id)
        answer = pb.AcknowledgeThreatResponse(acknowledged_by=done.by.name, is_repeat=done.is_repeat)
        answer.acknowledged_at.FromDatetime(done.by.at)
        return answer

    async def WatchEntries(
        self, request: pb.WatchEntriesRequest, context: Any
    ) -> AsyncIterator[pb.WatchEntriesResponse]:
        """See the proto. The rows as they are come first, so that nothing that moved meanwhile is missed."""
        viewer = _viewer(_REPORTS)
        wanted = requests.check_watched(request.entry_ids)
        watchers.add(1)
        try:
            with self._listener.subscribe(CHANNEL) as subscription:
                yield await self._moved(viewer, wanted)
                while True:
                    payloads, is_gapped = await subscription.take()
                    told = {each for payload in payloads for each in payload.split(",")}
                    moved = wanted if is_gapped else [each for each in wanted if each in told]
                    if moved:
                        yield await self._moved(viewer, moved)
        finally:
            watchers.add(-1)

    async def _moved(self, viewer: Viewer, entry_ids: list[str]) -> pb.WatchEntriesResponse:
        found = await actions.read_rows(self._engine, _sight(viewer), entry_ids)
        return pb.WatchEntriesResponse(rows=_rows(found, Report.HISTORY, viewer))

    async def ListSenders(self, request: pb.ListSendersRequest, context: Any) -> pb.ListSendersResponse:
        """See the proto."""
        viewer = _viewer(_REPORTS)
        if len(request.query) > _LONGEST_QUERY or "\x00" in request.query:
            raise InvalidArgument("SEARCH_MALFORMED", violations=[("/query", f"At most {_LONGEST_QUERY} characters.")])
        found = await actions.list_senders(self._engine, _sight(viewer), request.query.strip())
        return pb.ListSendersResponse(senders=[pb.SenderName(sender_id=each, name=name) for each, name in found])

    async def ListAudit(self, request: pb.ListAuditRequest, context: Any) -> pb.ListAuditResponse:
        """See the proto."""
        viewer = _viewer(_AUDIT)
        message_id = requests.check_id("message_id", request.message_id) if request.message_id else ""
        number, size = requests.read_page(request.page)
        sight = _sight(viewer).for_threats()
        found, page = await actions.list_audit(self._engine, sight, message_id, number, size)
        records = [messages.audit_message(each) for each in found]
        return pb.ListAuditResponse(records=records, page=messages.page_message(page))


def _rows(found: list[dict[str, Any]], report: Report, viewer: Viewer | None) -> list[pb.EntryRow]:
    may_flag = viewer is not None and _FLAGS in viewer.permissions
    return [messages.entry_message(row, report, may_flag=may_flag) for row in found]


def _flagger(origin: Origin) -> tuple[Sight, Actor, Viewer | None]:
    """Return who flags and what they see; PermissionDenied when this flag is not theirs."""
    caller = current_caller()
    if origin is Origin.TEACHER:
        if caller.viewer:
            raise PermissionDenied("FLAG_NOT_YOURS", "Teachers flag in Communication.")
        return EVERYTHING, Actor(caller.subject, caller.subject), None
    if origin is Origin.ADMIN:
        viewer = _viewer(_FLAGS)
        return _sight(viewer), _actor(viewer), viewer
    viewer = _viewer(_FLAGS, _THREATS)
    sight = _sight(viewer).for_threats() if _THREATS in viewer.permissions else _sight(viewer)
    return sight, _actor(viewer), viewer


def _detail(wanted: pb.Filter) -> str:
    """Say which filters a search had: names, ids, dates and columns, never what somebody typed into a rule."""
    parts = [
        *(f"school={each}" for each in wanted.school_ids),
        *(f"sender={each}" for each in wanted.sender_ids),
        *(f"channel={each}" for each in wanted.channels),
        *(f"rule={each.column}" for each in wanted.rules),
        *(
            f"{name}={getattr(wanted, name)}"
            for name in ("start_date", "end_date", "start_time", "end_time", "message_id")
            if getattr(wanted, name)
        ),
        *(name for name in ("is_secure", "is_emergency", "view_all_users") if getattr(wanted, name)),
    ]
    return " ".join(parts)[:1000]
