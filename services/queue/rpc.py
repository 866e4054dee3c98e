"""QueueService: proto to action to proto."""

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import queue_pb2 as pb
from protos.queue.v1 import queue_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.auth import current_caller
from services.kit.clock import Clock
from services.kit.errors import FailedPrecondition, InvalidArgument
from services.kit.ids import check_id
from services.queue import (
    listing_words,
    metrics,
    past_words,
    preview_words,
    reach_words,
    recording_words,
    rescreening_words,
    surveys,
    words,
)
from services.queue.actions import (
    consenting,
    control,
    history,
    previewing,
    reading,
    receipts,
    rescreening,
    standing,
    submit,
)
from services.queue.actions.accounts import Lately
from services.queue.actions.recordings import Recordings
from services.queue.clients import Directory
from services.queue.inviting import Invitations
from services.queue.pieces import header_of, pieces_of, previewed
from services.queue.providers.amazon_translate import AmazonTranslate
from services.queue.records import KIND_ALERT, Draft
from services.queue.resend_rpc import Resending
from services.queue.text_rpc import WrittenTexts

_MOST_RECEIPTS = 1_000


class QueueServicer(Resending, WrittenTexts, queue_pb2_grpc.QueueServiceServicer):
    """Answers QueueService."""

    def __init__(
        self,
        engine: AsyncEngine,
        clock: Clock,
        directory: Directory,
        zone: str,
        *,
        redial_seconds: float,
        prices: preview_words.Prices = preview_words.FREE,
        recordings: Recordings | None = None,
        has_surveys: bool = False,
        invitations: Invitations | None = None,
        translator: AmazonTranslate | None = None,
    ) -> None:
        """Take what every call needs; `zone` is the district's; without recordings there are no recorded calls."""
        self._translator, self._invitations = translator, invitations
        self._recordings, self._has_surveys = recordings, has_surveys
        self._redial_seconds, self._prices = redial_seconds, prices
        self._refused_lately = Lately()
        self._engine, self._clock, self._directory, self._zone = engine, clock, directory, zone

    async def Submit(self, request_iterator: AsyncIterator[pb.SubmitRequest], context: Any) -> pb.SubmitResponse:
        """Take a message and its recipients."""
        submission = await self._submission(words.draft(await header_of(request_iterator)))
        done = await submit.submit(self._engine, self._clock, submission, pieces_of(request_iterator))
        metrics.submitted.add(1, {"is_repeat": done.is_repeat})
        return pb.SubmitResponse(
            message_id=done.snapshot.message.message_id,
            entries=words.submitted_entries(done.snapshot),
            is_held=done.snapshot.message.is_held,
            is_repeat=done.is_repeat,
        )

    async def PreviewSubmission(
        self, request_iterator: AsyncIterator[pb.PreviewSubmissionRequest], context: Any
    ) -> pb.PreviewSubmissionResponse:
        """Say what Submit would do."""
        pieces = previewed(request_iterator)
        draft = words.draft(await header_of(pieces))
        submission = await self._submission(draft)
        found = await previewing.preview(
            self._engine, self._clock, submission, pieces_of(pieces), self._translator, self._invitations
        )
        return pb.PreviewSubmissionResponse(
            channels=[preview_words.channel_preview(each, self._prices) for each in found]
        )

    async def _submission(self, draft: Draft) -> submit.Submission:
        """Return the draft with its sender's standing, or raise what is wrong with either."""
        standing.check_draft(draft)
        surveys.check_set_up(draft.survey, has_surveys=self._has_surveys)
        caller = current_caller()
        # An alert must leave while directory is away; it is a service's, and screens nothing.
        is_alert = draft.kind == KIND_ALERT and caller.viewer is None
        known = standing.Known(None, {}, {}) if is_alert else await self._directory.known(draft.sender.person_id)
        decided = standing.decide(draft, caller, known)
        return submit.Submission(draft, caller.subject, decided)

    async def ImportHistory(
        self, request_iterator: AsyncIterator[pb.ImportHistoryRequest], context: Any
    ) -> pb.ImportHistoryResponse:
        """Take past messages with their outcomes."""
        known = await self._directory.known("")
        importing = history.Importing(self._engine, self._clock, current_caller().subject, known.schools)
        async for request in request_iterator:
            await importing.add(past_words.past_message(request.message))
        return past_words.import_result(await importing.finish())

    async def CancelMessage(self, request: pb.CancelMessageRequest, context: Any) -> pb.CancelMessageResponse:
        """Stop what has not left."""
        caller = current_caller()
        control.check_manager(caller)
        message_id = check_id("message_id", request.message_id)
        return pb.CancelMessageResponse(cancelled=await control.cancel(self._engine, self._clock, caller, message_id))

    async def GetMessage(self, request: pb.GetMessageRequest, context: Any) -> pb.GetMessageResponse:
        """Answer a message with the text of each channel."""
        message_id = check_id("message_id", request.message_id)
        snapshot, is_masked = await reading.message(self._engine, current_caller(), message_id)
        return pb.GetMessageResponse(
            header=words.header(snapshot),
            created_at=words.stamp(snapshot.message.created_at),
            entries=words.submitted_entries(snapshot, is_masked=is_masked),
            is_withheld=not is_masked and snapshot.message.screening.value == "withheld",
        )

    async def ListDeliveries(self, request: pb.ListDeliveriesRequest, context: Any) -> pb.ListDeliveriesResponse:
        """Answer the recipients of an entry that the caller may see."""
        entry_id = check_id("entry_id", request.entry_id)
        seen = listing_words.seen(request, self._zone)
        paging = reading.Paging(request.sort.column, request.sort.descending, lambda n: words.window(request.page, n))
        rows, total = await reading.deliveries_of(self._engine, current_caller(), entry_id, seen, paging)
        return pb.ListDeliveriesResponse(
            deliveries=[words.delivery(row) for row in rows], page=words.page_of(request.page, total)
        )

    async def ExportDeliveries(
        self, request: pb.ExportDeliveriesRequest, context: Any
    ) -> AsyncIterator[pb.ExportDeliveriesResponse]:
        """Yield all of them. They are read before the first is sent: no reader's pace holds a connection."""
        asked, caller = request.deliveries, current_caller()
        entry_id, seen = check_id("entry_id", asked.entry_id), listing_words.seen(asked, self._zone)
        sort, descending = asked.sort.column, asked.sort.descending
        found = reading.export_deliveries(self._engine, caller, entry_id, seen, sort, descending=descending)
        pieces = [pb.ExportDeliveriesResponse(deliveries=[words.delivery(row) for row in rows]) async for rows in found]
        for piece in pieces:
            yield piece

    async def GetReach(self, request: pb.GetReachRequest, context: Any) -> pb.GetReachResponse:
        """Answer how many families a message has reached, and which it has not."""
        message_id, caller = check_id("message_id", request.message_id), current_caller()
        listing, page = listing_words.unreached(request), request.page
        found = await reading.reach_of(self._engine, caller, message_id, listing, lambda n: words.window(page, n))
        return reach_words.reach(*found[:2], words.page_of(page, found[2]))

    async def RescreenMessages(self, request: pb.RescreenMessagesRequest, context: Any) -> pb.RescreenMessagesResponse:
        """Judge again what was delivered in a period."""
        caller = current_caller()
        rescreening.check_may_rescreen(caller)
        rescreening.check_screening_is_on((await self._directory.known("")).modules)
        wanted = rescreening_words.rescreening(request.rescreening, caller, self._clock())
        begun = await rescreening.begin(self._engine, wanted)
        return pb.RescreenMessagesResponse(rescreening=rescreening_words.rescreening_message(begun))

    async def ListRescreenings(self, request: pb.ListRescreeningsRequest, context: Any) -> pb.ListRescreeningsResponse:
        """Answer the latest periods that were judged again."""
        rescreening.check_may_rescreen(current_caller())
        found = await rescreening.latest(self._engine)
        return pb.ListRescreeningsResponse(rescreenings=[rescreening_words.rescreening_message(each) for each in found])

    async def RecordReceipts(self, request: pb.RecordReceiptsRequest, context: Any) -> pb.RecordReceiptsResponse:
        """Take what providers say."""
        if not 1 <= len(request.receipts) <= _MOST_RECEIPTS:
            wrong = [("/receipts", f"1 to {_MOST_RECEIPTS:,} are allowed.")]
            raise InvalidArgument("RECEIPTS_INVALID", "Too many receipts, or none.", violations=wrong)
        now = self._clock()
        every = [words.receipt(each, now) for each in request.receipts]
        effect = await receipts.record_receipts(
            self._engine, self._clock, every, self._redial_seconds, self._refused_lately
        )
        return pb.RecordReceiptsResponse(applied=effect.applied, ignored=effect.ignored, kept=effect.kept)

    async def RecordInbound(self, request: pb.RecordInboundRequest, context: Any) -> pb.RecordInboundResponse:
        """Take an inbound text."""
        sender = str(getattr(request, "from"))
        if len(request.body) > 1_600 or not request.provider_message_id:
            raise InvalidArgument("INBOUND_INVALID", "An inbound text has an id and at most 1,600 characters.")
        action = await consenting.record_inbound(
            self._engine, self._clock, request.provider_message_id, sender, request.body
        )
        language = consenting.heard(request.body).language
        are_exempt = bool(language) and await consenting.emergencies_come(self._engine)
        return pb.RecordInboundResponse(action=action, language=language, emergencies_come=are_exempt)

    async def ListInbox(self, request: pb.ListInboxRequest, context: Any) -> pb.ListInboxResponse:
        """Answer a page of the caller's inbox."""
        listing_words.check_query(request.query)
        rows, total, unread = await reading.inbox_of(
            self._engine,
            self._clock(),
            request.query,
            lambda n: words.window(request.page, n),
            is_unread=request.is_unread,
        )
        page = words.page_of(request.page, total)
        return pb.ListInboxResponse(items=[words.inbox_item(row) for row in rows], page=page, unread=unread)

    async def GetInboxMessage(self, request: pb.GetInboxMessageRequest, context: Any) -> pb.GetInboxMessageResponse:
        """Answer one message of the caller's inbox or sent box."""
        message_id = check_id("message_id", request.message_id)
        row = await reading.inbox_message(self._engine, self._clock(), message_id)
        role = types.Role.ValueType(row["sender_role"])
        return pb.GetInboxMessageResponse(
            item=words.inbox_item(row),
            body=row["body"],
            sender_role=role,
            original_body=row.get("original_body", ""),
            original_subject=row.get("original_subject", ""),
        )

    async def ListSentBox(self, request: pb.ListSentBoxRequest, context: Any) -> pb.ListSentBoxResponse:
        """Answer a page of what the caller sent."""
        rows, total = await reading.sent_box(self._engine, lambda n: words.window(request.page, n))
        return pb.ListSentBoxResponse(
            items=[words.inbox_item(row) for row in rows], page=words.page_of(request.page, total)
        )

    async def AddRecording(
        self, request_iterator: AsyncIterator[pb.AddRecordingRequest], context: Any
    ) -> pb.AddRecordingResponse:
        """Keep a recording for a recorded call."""
        caller = current_caller()
        standing.check_recorder(caller, await self._directory.known(caller.viewer.person_id if caller.viewer else ""))
        kept = await self._kept_recordings().keep(caller, _chunks(request_iterator))
        return pb.AddRecordingResponse(recording=recording_words.recording(kept))

    async def OpenRecording(self, request: pb.OpenRecordingRequest, context: Any) -> pb.OpenRecordingResponse:
        """Give a ticket to listen."""
        recordings, caller = self._kept_recordings(), current_caller()
        if request.WhichOneof("what") == "entry_id":
            ticket, found = await recordings.open_entry(caller, check_id("entry_id", request.entry_id))
        else:
            wanted = check_id("recording_id", request.recording_id)
            ticket, found = await recordings.open_draft(caller, wanted)
        return pb.OpenRecordingResponse(
            recording=recording_words.recording(found),
            ticket=recordings.tickets.sign(ticket),
            expires_at=words.stamp(ticket.expires_at),
        )

    async def ReadRecording(
        self, request: pb.ReadRecordingRequest, context: Any
    ) -> AsyncIterator[pb.ReadRecordingResponse]:
        """Yield audio, after a piece that says what it is."""
        recordings = self._kept_recordings()
        found = await recordings.find(current_caller(), request.ticket)
        size = found.size_bytes
        start = max(0, size + request.offset) if request.offset < 0 else min(request.offset, size)
        yield pb.ReadRecordingResponse(recording=recording_words.recording(found), start=start)
        length = request.length if request.length > 0 else size
        async for chunk in recordings.read(found, start, length):
            yield pb.ReadRecordingResponse(chunk=chunk)

    def _kept_recordings(self) -> Recordings:
        if self._recordings is None:
            raise FailedPrecondition("RECORDINGS_OFF", "Recorded calls are not set up.")
        return self._recordings

    async def CheckInvariant(self, request: pb.CheckInvariantRequest, context: Any) -> pb.CheckInvariantResponse:
        """Compare the counters with the rows."""
        since, until = words.moment(request.since), words.moment(request.until)
        checked, broken = await reading.check_invariant(self._engine, since, until)
        return pb.CheckInvariantResponse(
            checked=checked,
            broken=[
                pb.BrokenEntry(entry_id=entry_id, counters=words.by_school(counters), rows=words.by_school(rows))
                for entry_id, counters, rows in broken
            ],
        )


async def _chunks(requests: AsyncIterator[pb.AddRecordingRequest]) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request.chunk
