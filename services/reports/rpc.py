"""ReportsService: proto to action to proto. Checks the viewer's permissions and the form of each request."""

import time
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.reports.v1 import reports_pb2 as pb
from protos.reports.v1 import reports_pb2_grpc
from services.kit.auth import Viewer
from services.kit.clock import Clock, utc_now
from services.kit.errors import InvalidArgument
from services.kit.ids import check_id
from services.kit.listening import Listener
from services.reports import exporting, messages, noted_words, referral_words, requests, survey_words
from services.reports.actions import deciding, measuring, noticing, reading, referring, reviewing, scheduled, surveying
from services.reports.callers import (
    AUDIT,
    REPORTS,
    THREATS,
    actor_of,
    attendance_sight,
    check_all_users,
    detail_of,
    flagger,
    listed,
    permitted,
    referrer,
    reviewer,
    sight_of,
)
from services.reports.domain import Order, Origin, Report, Sight
from services.reports.metrics import search_duration, searches, watchers
from services.reports.store.intake import CHANNEL

_ORIGINS = {
    pb.SetFlagRequest.ORIGIN_TEACHER: Origin.TEACHER,
    pb.SetFlagRequest.ORIGIN_ADMIN: Origin.ADMIN,
    pb.SetFlagRequest.ORIGIN_SYSTEM: Origin.SYSTEM,
}
_LONGEST_QUERY = 100
_Asked = pb.SearchHistoryRequest | pb.SearchAttendanceRequest | pb.SearchThreatsRequest


class ReportsServicer(reports_pb2_grpc.ReportsServiceServicer):
    """Answers ReportsService from one database."""

    def __init__(self, engine: AsyncEngine, listener: Listener, time_zone: str, clock: Clock = utc_now) -> None:
        """time_zone is the district's: dates and times of filters are of it. The listener hears moving rows."""
        self._engine, self._listener, self._zone, self._clock = engine, listener, time_zone, clock

    async def SearchHistory(self, request: pb.SearchHistoryRequest, context: Any) -> pb.SearchHistoryResponse:
        """See the proto."""
        viewer = permitted(REPORTS)
        found = await self._search(Report.HISTORY, viewer, sight_of(viewer), request)
        answer = pb.SearchHistoryResponse(
            rows=messages.entry_messages(found.rows, Report.HISTORY, viewer), page=messages.page_message(found.page)
        )
        answer.as_of.FromDatetime(self._clock())
        return answer

    async def SearchAttendance(self, request: pb.SearchAttendanceRequest, context: Any) -> pb.SearchAttendanceResponse:
        """See the proto."""
        viewer = permitted(REPORTS)
        found = await self._search(Report.ATTENDANCE, viewer, attendance_sight(viewer), request)
        answer = pb.SearchAttendanceResponse(
            rows=messages.entry_messages(found.rows, Report.ATTENDANCE, viewer), page=messages.page_message(found.page)
        )
        answer.as_of.FromDatetime(self._clock())
        return answer

    async def SearchThreats(self, request: pb.SearchThreatsRequest, context: Any) -> pb.SearchThreatsResponse:
        """See the proto."""
        viewer = permitted(THREATS)
        sight = sight_of(viewer).for_threats()
        found = await self._search(Report.THREATS, viewer, sight, request)
        detail = detail_of(request.filter)
        await reading.log(self._engine, self._clock, actor_of(viewer), "threats.searched", detail)
        return pb.SearchThreatsResponse(
            rows=messages.entry_messages(found.rows, Report.THREATS, viewer),
            page=messages.page_message(found.page),
            open=found.open_threats,
            undecided=found.undecided,
            noted_students=await noticing.count(self._engine, self._clock, sight),
        )

    async def _search(self, report: Report, viewer: Viewer, sight: Sight, request: _Asked) -> reading.Found:
        check_all_users(viewer, request.filter)
        wanted = requests.read_search(report, request.filter, self._zone)
        order, page = requests.read_order(request.sort), requests.read_page(request.page)
        started = time.monotonic()
        found = await reading.search(self._engine, sight, wanted, order, *page)
        searches.add(1, {"report": report})
        search_duration.record(time.monotonic() - started, {"report": report})
        return found

    async def SearchSchedules(self, request: pb.SearchSchedulesRequest, context: Any) -> pb.SearchSchedulesResponse:
        """See the proto."""
        viewer = permitted(REPORTS)
        check_all_users(viewer, request)
        now = self._clock()
        wanted = requests.read_schedules(request, sight_of(viewer), self._zone)
        found, page = await scheduled.search(self._engine, wanted, *requests.read_page(request.page))
        return pb.SearchSchedulesResponse(
            rows=[messages.schedule_message(row, now) for row in found], page=messages.page_message(page)
        )

    async def GetEntry(self, request: pb.GetEntryRequest, context: Any) -> pb.GetEntryResponse:
        """See the proto."""
        viewer = permitted(REPORTS)
        report, sight = listed(viewer, is_attendance=request.is_attendance)
        wanted, order = None, Order()
        if request.HasField("filter"):
            check_all_users(viewer, request.filter)
            wanted = requests.read_search(report, request.filter, self._zone)
            order = requests.read_order(request.sort)
        entry_id = check_id("entry_id", request.entry_id)
        row, before, after = await reading.get_entry(self._engine, sight, entry_id, wanted, order)
        return pb.GetEntryResponse(
            row=messages.entry_messages([row], report, viewer)[0],
            text="" if row["screening"] == "withheld" else row["text"],
            previous_entry_id=before,
            next_entry_id=after,
        )

    async def GetSurveyResults(self, request: pb.GetSurveyResultsRequest, context: Any) -> pb.GetSurveyResultsResponse:
        """See the proto."""
        asked = survey_words.read_asked(request, sight_of(permitted(REPORTS)), self._zone)
        found = await surveying.results(self._engine, asked, *requests.read_page(request.page))
        return survey_words.results_message(found, self._clock())

    async def GetThreat(self, request: pb.GetThreatRequest, context: Any) -> pb.GetThreatResponse:
        """See the proto."""
        viewer = permitted(THREATS)
        message_id = check_id("message_id", request.message_id)
        sight = sight_of(viewer).for_threats()
        threat = await reading.get_threat(self._engine, self._clock, sight, actor_of(viewer), message_id)
        first = threat.rows[0]
        return pb.GetThreatResponse(
            rows=messages.entry_messages(threat.rows, Report.THREATS, viewer),
            text=messages.whole_text(threat.rows),
            verdict=messages.verdict_message(first),
            recipient_names=first["recipient_names"],
            history=[messages.audit_message(each) for each in threat.history],
            conversation=[messages.conversation_message(each) for each in threat.conversation],
            decisions=[messages.decision_message(each) for each in threat.decisions],
            is_imported=first["is_imported"],
        )

    async def SetFlag(self, request: pb.SetFlagRequest, context: Any) -> pb.SetFlagResponse:
        """See the proto. A teacher's flag comes from the district system that teachers flag in, not from a viewer."""
        origin = _ORIGINS.get(request.origin)
        if origin is None:
            raise InvalidArgument("ORIGIN_UNKNOWN", violations=[("/origin", "Say whose flag it is.")])
        message_id = check_id("message_id", request.message_id)
        sight, actor, viewer = flagger(origin)
        found = await reviewing.set_flag(
            self._engine, self._clock, sight, actor, message_id, origin, request.is_flagged
        )
        report = Report.THREATS if origin is Origin.SYSTEM else Report.HISTORY
        return pb.SetFlagResponse(rows=messages.entry_messages(found, report, viewer))

    async def AcknowledgeThreat(
        self, request: pb.AcknowledgeThreatRequest, context: Any
    ) -> pb.AcknowledgeThreatResponse:
        """See the proto."""
        seeing, message_id = reviewer(), check_id("message_id", request.message_id)
        done = await reviewing.acknowledge(self._engine, self._clock, *seeing, message_id)
        answer = pb.AcknowledgeThreatResponse(acknowledged_by=done.by.name, is_repeat=done.is_repeat)
        answer.acknowledged_at.FromDatetime(done.by.at)
        return answer

    async def DecideThreat(self, request: pb.DecideThreatRequest, context: Any) -> pb.DecideThreatResponse:
        """See the proto."""
        seeing, wanted = reviewer(), requests.read_decision(request)
        decision, is_repeat = await deciding.decide(self._engine, self._clock, *seeing, wanted)
        return pb.DecideThreatResponse(decision=messages.decision_message(decision), is_repeat=is_repeat)

    async def GetThreatFigures(self, request: pb.GetThreatFiguresRequest, context: Any) -> pb.GetThreatFiguresResponse:
        """See the proto."""
        viewer = permitted(THREATS)
        since, before = requests.read_days(request, self._zone)
        found = await measuring.figures(self._engine, sight_of(viewer).for_threats(), since, before)
        return pb.GetThreatFiguresResponse(
            all=messages.figures_message(found.all),
            schools=[messages.figures_message(each) for each in found.schools],
            categories=[messages.figures_message(each) for each in found.categories],
        )

    async def WatchEntries(
        self, request: pb.WatchEntriesRequest, context: Any
    ) -> AsyncIterator[pb.WatchEntriesResponse]:
        """See the proto. The rows as they are come first, so that nothing that moved meanwhile is missed."""
        viewer = permitted(REPORTS)
        wanted = requests.check_watched(request.entry_ids)
        report, sight = listed(viewer, is_attendance=request.is_attendance)

        async def moved(entry_ids: list[str]) -> pb.WatchEntriesResponse:
            found = await reading.read_rows(self._engine, sight, entry_ids)
            return pb.WatchEntriesResponse(rows=messages.entry_messages(found, report, viewer))

        watchers.add(1)
        try:
            with self._listener.subscribe(CHANNEL) as subscription:
                yield await moved(wanted)
                while True:
                    ids, is_gapped = await subscription.take()
                    told = set(ids)
                    these = wanted if is_gapped else [each for each in wanted if each in told]
                    if these:
                        yield await moved(these)
        finally:
            watchers.add(-1)

    async def ListSenders(self, request: pb.ListSendersRequest, context: Any) -> pb.ListSendersResponse:
        """See the proto."""
        viewer = permitted(REPORTS)
        query = requests.check_text("query", request.query.strip(), _LONGEST_QUERY)
        found = await reading.list_senders(self._engine, sight_of(viewer), query)
        return pb.ListSendersResponse(senders=[pb.SenderName(sender_id=each, name=name) for each, name in found])

    async def SearchNoted(self, request: pb.SearchNotedRequest, context: Any) -> pb.SearchNotedResponse:
        """See the proto."""
        seeing, wanted, page = reviewer(), noted_words.read_search(request), requests.read_page(request.page)
        found = await noticing.search(self._engine, self._clock, *seeing, wanted, page)
        return noted_words.found_message(found)

    async def ListNotedSenders(self, request: pb.ListNotedSendersRequest, context: Any) -> pb.ListNotedSendersResponse:
        """See the proto."""
        seeing, page = reviewer(), requests.read_page(request.page)
        return noted_words.senders_message(await noticing.senders(self._engine, self._clock, *seeing, page))

    async def CloseNotedSender(self, request: pb.CloseNotedSenderRequest, context: Any) -> pb.CloseNotedSenderResponse:
        """See the proto."""
        seeing, wanted = reviewer(), noted_words.read_closing(request)
        is_repeat = await noticing.close(self._engine, self._clock, *seeing, wanted)
        return pb.CloseNotedSenderResponse(is_repeat=is_repeat)

    async def AddReferral(self, request: pb.AddReferralRequest, context: Any) -> pb.AddReferralResponse:
        """See the proto."""
        wanted = requests.read_referral(request)
        row, is_repeat = await referring.add(self._engine, self._clock, *referrer(), wanted)
        return pb.AddReferralResponse(referral=messages.referral_message(row), is_repeat=is_repeat)

    async def ListReferralSchools(
        self, request: pb.ListReferralSchoolsRequest, context: Any
    ) -> pb.ListReferralSchoolsResponse:
        """See the proto."""
        message_id = check_id("message_id", request.message_id)
        found = await referring.schools(self._engine, referrer()[0], message_id)
        return pb.ListReferralSchoolsResponse(school_ids=found)

    async def GetReferral(self, request: pb.GetReferralRequest, context: Any) -> pb.GetReferralResponse:
        """See the proto."""
        referral_id = check_id("referral_id", request.referral_id)
        return referral_words.opened_message(await referring.get(self._engine, self._clock, *referrer(), referral_id))

    async def ListReferrals(self, request: pb.ListReferralsRequest, context: Any) -> pb.ListReferralsResponse:
        """See the proto."""
        seeing, actor = referrer()
        asked = referral_words.read_asked(request, actor.person_id, self._zone)
        rows, page = await referring.listed(self._engine, seeing, asked, *requests.read_page(request.page))
        found = [messages.referral_message({**row, "notes": ""}) for row in rows]
        return pb.ListReferralsResponse(referrals=found, page=messages.page_message(page))

    async def DeleteReferral(self, request: pb.DeleteReferralRequest, context: Any) -> pb.DeleteReferralResponse:
        """See the proto."""
        referral_id = check_id("referral_id", request.referral_id)
        await referring.delete(self._engine, self._clock, *referrer(), referral_id)
        return pb.DeleteReferralResponse()

    async def RecordExport(self, request: pb.RecordExportRequest, context: Any) -> pb.RecordExportResponse:
        """See the proto."""
        await exporting.log(self._engine, self._clock, request, self._zone)
        return pb.RecordExportResponse()

    async def ExportEntries(
        self, request: pb.ExportEntriesRequest, context: Any
    ) -> AsyncIterator[pb.ExportEntriesResponse]:
        """See the proto. All is read before the first piece is sent: no reader's pace holds a connection."""
        for piece in [piece async for piece in exporting.pieces(self._engine, request, self._zone)]:
            yield piece

    async def ListAudit(self, request: pb.ListAuditRequest, context: Any) -> pb.ListAuditResponse:
        """See the proto."""
        viewer = permitted(AUDIT)
        asked = requests.read_audit(request, self._zone)
        number, size = requests.read_page(request.page)
        sight = sight_of(viewer).for_threats()
        found, page = await reading.list_audit(self._engine, sight, asked, number, size)
        records = [messages.audit_message(each) for each in found]
        return pb.ListAuditResponse(records=records, page=messages.page_message(page))
