"""Importing past messages with their outcomes, many in one transaction; their events are like all others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.errors import InvalidArgument
from services.kit.ids import new_id
from services.queue import events_out
from services.queue.actions.describing import describe
from services.queue.actions.past import Problem, Rows, check, rows_of
from services.queue.actions.standing import KnownSchool, check_draft
from services.queue.actions.submit import ask
from services.queue.domain import COUNTED_AS, MAILED, Screening
from services.queue.past_records import PastMessage
from services.queue.records import Addressees, Counts, Message, Snapshot
from services.queue.store import copying, counts, inbox, messages, surveys

_MESSAGES_AT_ONCE = 100
_ROWS_AT_ONCE = 5_000
_PROBLEMS_TOLD = 1_000
_READ_AFTER = timedelta(days=3)


@dataclass
class Imported:
    """What an import came to."""

    imported: int = 0
    repeated: int = 0
    problems: list[tuple[int, str, str]] = field(default_factory=list)
    """Position in the stream, idempotency key, sentence; at most a thousand."""


class Importing:
    """One import. `add` every piece in order, then `finish`."""

    def __init__(self, engine: AsyncEngine, clock: Clock, caller: str, schools: Mapping[str, KnownSchool]) -> None:
        """`caller` owns the idempotency keys; `schools` tell which ones are excluded."""
        self._engine, self._clock, self._caller, self._schools = engine, clock, caller, schools
        self._result = Imported()
        self._position = 0
        self._open: tuple[int, PastMessage] | None = None
        self._ready: list[tuple[int, PastMessage]] = []

    async def add(self, piece: PastMessage) -> None:
        """Take one piece; a message in several pieces has the same key in each, one after the other."""
        self._position += 1
        if self._open and self._open[1].draft.idempotency_key == piece.draft.idempotency_key:
            self._open[1].recipients.extend(piece.recipients)
            return
        await self._close()
        self._open = (self._position, piece)

    async def finish(self) -> Imported:
        """Write what is left; return what the import came to."""
        await self._close()
        await self._write()
        return self._result

    async def _close(self) -> None:
        if self._open is None:
            return
        position, piece = self._open
        self._open = None
        try:
            check_draft(piece.draft)
            check(piece)
        except InvalidArgument as problem:
            self._refuse(position, piece, "; ".join(each.detail for each in problem.violations) or problem.message)
            return
        except Problem as problem:
            self._refuse(position, piece, str(problem))
            return
        self._ready.append((position, piece))
        rows = sum(len(each.recipients) * len(each.draft.channels) for _, each in self._ready)
        if len(self._ready) >= _MESSAGES_AT_ONCE or rows >= _ROWS_AT_ONCE:
            await self._write()

    def _refuse(self, position: int, piece: PastMessage, sentence: str) -> None:
        if len(self._result.problems) < _PROBLEMS_TOLD:
            self._result.problems.append((position, piece.draft.idempotency_key, sentence))

    async def _write(self) -> None:
        if not self._ready:
            return
        repeated = 0
        async with transaction(self._engine) as connection:
            fresh = []
            for _, piece in self._ready:
                message = self._message(piece)
                key, digest = piece.draft.idempotency_key, piece.draft.header_hash
                earlier = await messages.remember_key(
                    connection, self._caller, key, digest, message.message_id, self._clock()
                )
                if earlier is None:
                    fresh.append((piece, message))
                else:
                    repeated += 1
            if fresh:
                await self._insert(connection, fresh)
        self._result.imported += len(fresh)
        self._result.repeated += repeated
        self._ready = []

    def _message(self, piece: PastMessage) -> Message:
        draft, sent_at = piece.draft, piece.sent_at or self._clock()
        message_id = new_id()
        verdict = events_out.verdict_about(piece.verdict, message_id) if piece.verdict else None
        screening = Screening.NOT_NEEDED
        if verdict:
            screening = Screening.WITHHELD if piece.is_withheld else Screening.RELEASED
        school = self._schools.get(draft.sender.school_id)
        return Message(
            message_id=message_id,
            created_at=sent_at,
            caller=self._caller,
            sender=draft.sender,
            subject=draft.subject,
            body=draft.body,
            source=draft.source,
            kind=draft.kind,
            lane=draft.lane,
            is_secure=draft.is_secure,
            is_emergency=draft.is_emergency,
            once_per_family=draft.once_per_family,
            send_at=sent_at,
            expires_at=None,
            audience_summary=draft.audience_summary,
            language=draft.language,
            in_reply_to=draft.in_reply_to,
            alert_message_id=draft.alert_message_id,
            from_title=draft.from_title or (school.title if school else draft.sender.name),
            is_from_excluded_school=school is not None and school.is_excluded,
            screening=screening,
            is_imported=True,
            verdict=verdict,
            decided_at=sent_at if verdict else None,
        )

    async def _insert(self, connection: AsyncConnection, fresh: list[tuple[PastMessage, Message]]) -> None:
        now = self._clock()
        every = [(piece, message, rows_of(piece, message)) for piece, message in fresh]
        for piece, message, _ in every:
            seen: set[str] = set()
            describe(message, Addressees.of([person for person, _ in piece.recipients]), 0, seen)
            message.regarding_count = len(seen)
        await messages.ensure_months(connection, {message.created_at for _, message in fresh})
        await messages.insert_messages(connection, [message for _, message in fresh])
        entries = [entry for _, _, rows in every for entry in rows.entries]
        for piece, _, rows in every:
            await ask(connection, piece.draft.survey, rows.entries)
        await messages.insert_entries(connection, entries)
        await copying.copy_recipients(connection, [each for _, _, rows in every for each in rows.recipients])
        outcomes = [each for _, _, rows in every for each in rows.outcomes]
        await copying.copy_outcomes(connection, [(*each[:4], each[4:]) for each in outcomes])
        totals: dict[tuple[str, str], dict[str, int]] = {}
        for entry_id, _, school_id, _, outcome in (each for _, _, rows in every for each in rows.outcomes):
            of_school = totals.setdefault((entry_id, school_id), {})
            name = COUNTED_AS[outcome.state]
            of_school[name] = of_school.get(name, 0) + 1
        await counts.insert(connection, totals, [entry.entry_id for entry in entries], now)
        for _, message, rows in every:
            await self._tell(connection, message, rows, totals)

    async def _tell(
        self,
        connection: AsyncConnection,
        message: Message,
        rows: Rows,
        totals: Mapping[tuple[str, str], dict[str, int]],
    ) -> None:
        entries = rows.entries
        of_entries = {each.entry_id: Counts(version=1) for each in entries}
        for (entry_id, school_id), values in totals.items():
            if entry_id in of_entries:
                of_entries[entry_id].by_school[school_id] = {"total": sum(values.values()), **values}
                of_entries[entry_id].version = len(of_entries[entry_id].by_school)
        snapshot = Snapshot(message, entries, of_entries, rows.survey)
        await events_out.tell_submitted(connection, snapshot)
        if message.screening is Screening.WITHHELD:
            names = await messages.recipient_names(connection, entries[0], 50)
            await events_out.tell_withheld(connection, snapshot, names, message.created_at)
            return
        if message.screening is Screening.RELEASED:
            await events_out.tell_released(connection, message, message.created_at)
        is_old = message.created_at < self._clock() - _READ_AFTER
        for entry in entries:
            if entry.channel in MAILED:
                read_at = message.created_at if is_old else None
                await inbox.deliver(connection, message, entry, message.created_at, read_at)
                if entry.survey_id:
                    await surveys.note_respondents(connection, message, entry)
