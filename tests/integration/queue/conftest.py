"""The queue on a real database, with real adapters against the vendor simulator."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as events
from services.kit.db import create_engine, transaction
from services.queue.actions import rescreening, upkeep
from services.queue.actions.dispatch import Dispatcher, claim, send
from services.queue.actions.receipts import record_receipts
from services.queue.actions.standing import Known, KnownSchool, Standing, check_draft
from services.queue.actions.submit import Submission, Submitted, submit
from services.queue.config import ProviderConfig
from services.queue.domain import Channel, Lane
from services.queue.providers.choose import make_dispatcher
from services.queue.records import TYPE_DIRECTORY, Addressee, Addressees, Draft, Receipt, Sender
from services.queue.store import counts
from services.queue.work import Wanted
from tests.support.eventually import eventually
from tests.support.postgres import Database, Databases
from tests.support.tokens import Tokens
from tests.support.vendors import (
    ENVIRONMENT,
    PLATFORM_APPLICATION,
    Received,
    Receiver,
    VendorSimulator,
    receiver,
    vendor_process,
    vendors,
)

__all__ = ["dispatch_one", "every_channel", "receiver", "vendor_process", "vendors"]

RECORDINGS_SECRET = "test-recordings-secret-of-32-characters"
ANSWERS_SECRET = "test-answers-secret-of-32-characters"
TEACHER, STUDENT, PARENT = 2, 3, 4
SENDER = Sender("teacher-1", "Tess Teacher", TEACHER, "school-1")
PUPIL = Sender("student-1", "Sam Student", STUDENT, "school-1", "10")


def person(number: int, **fields: Any) -> Addressee:
    """A parent with an e-mail address, a number and an account; two schools take turns."""
    base = Addressee(
        person_id=f"parent-{number}",
        name=f"Parent {number}",
        role=PARENT,
        school_id=f"school-{number % 2 + 1}",
        staff_id="",
        regarding_student_id=f"student-{number}",
        regarding_student_name=f"Child {number}",
        student_number=f"{number:05}",
        language="en",
        email=f"parent{number}@example.org",
        mobile=f"+1212{200 + number // 10_000:03}{number % 10_000:04}",
        devices="",
        has_account=True,
        invalid_email="",
        invalid_mobile="",
        type=TYPE_DIRECTORY,
    )
    return base._replace(**fields)


def draft(**fields: Any) -> Draft:
    """A plain e-mail."""
    base = Draft(
        idempotency_key=f"key-{time.monotonic_ns()}",
        sender=SENDER,
        subject="Picture day",
        body="Picture day is on Friday.",
        channels=[("email", "")],
        header_hash=b"hash",
    )
    return replace(base, **fields)


@dataclass
@dataclass
class Clock:
    """The machine's time, moved by what a test asks for; once it is stopped, by nothing else."""

    ahead: timedelta = timedelta()
    stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        return (self.stopped_at or datetime.now(UTC)) + self.ahead

    def stop(self) -> None:
        """Stand still: what is due must not depend on how fast this machine is."""
        self.stopped_at = datetime.now(UTC)


async def dispatch_one(dispatcher: Dispatcher, lanes: Sequence[Lane]) -> bool:
    """Send the first due batch of these lanes, or put it off in quiet hours; False when there is none."""
    claimed = await claim(dispatcher, lanes, 1)
    for work in claimed.works:
        await send(dispatcher, work, claimed.until)
    return claimed.due > 0


def every_channel(slice_size: int = 1, most: int = 1) -> Wanted:
    """What a dispatcher of all channels would claim."""
    return Wanted(list(Lane), dict.fromkeys(Channel, slice_size), most)


Make = Callable[..., Dispatcher]
"""Makes a dispatcher of a queue, with any settings of its own."""


@dataclass
class Queue:
    """One queue under test."""

    engine: AsyncEngine
    database: Database
    clock: Clock
    make: Make
    dispatchers: list[Dispatcher] = field(default_factory=list)

    def dispatcher(self, **settings: Any) -> Dispatcher:
        """Return a dispatcher with the simulator as its provider."""
        self.dispatchers.append(self.make(self, **settings))
        return self.dispatchers[-1]

    async def submit(self, message: Draft, people: Sequence[Addressee], *, screened: bool = False) -> Submitted:
        """Submit as a service does."""
        check_draft(message)
        standing = Standing(
            message.sender,
            "Lincoln High",
            is_excluded=False,
            is_screened=screened,
            is_translated=bool(message.is_translated),
        )

        async def pieces() -> AsyncIterator[Addressees]:
            for start in range(0, len(people), 1_000):
                yield Addressees.of(people[start : start + 1_000])

        return await submit(self.engine, self.clock, Submission(message, "test", standing), pieces())

    async def written_by(self, number: int) -> str:
        """Let a parent write to the usual sender's inbox; return the message, which can be answered."""
        parent = Sender(f"parent-{number}", f"Parent {number}", PARENT)
        done = await self.submit(draft(sender=parent), [person(0, person_id=SENDER.person_id, email="")])
        return done.snapshot.message.message_id

    async def drain(self, dispatcher: Dispatcher) -> int:
        """Send everything that is due; return how many batches."""
        sent = 0
        while await dispatch_one(dispatcher, list(Lane)):
            sent += 1
        return sent

    async def counts(self, entry_id: str) -> dict[str, int]:
        """Return an entry's counters over all schools, without zeros."""
        async with transaction(self.engine) as connection:
            found = await counts.read(connection, [entry_id])
        return {name: value for name, value in found[entry_id].sums().items() if value}

    async def rows(self, query: str, **values: Any) -> list[Any]:
        """Return rows of any query."""
        async with transaction(self.engine) as connection:
            return list(await connection.execute(sa.text(query), values))

    async def event(self, subject: str, kind: Any) -> list[Any]:
        """Return the events in the outbox, in order."""
        found = await self.rows("SELECT payload FROM outbox WHERE subject = :subject ORDER BY id", subject=subject)
        return [kind.FromString(bytes(row[0])) for row in found]

    async def expire(self, entry_id: str) -> int:
        """Let what waits of an entry expire; return how many recipients that were."""
        await self.rows("UPDATE batches SET expires_at = :now WHERE entry_id = :id RETURNING 1",
                        now=self.clock(), id=entry_id)  # fmt: skip
        return await upkeep.expire(self.engine, self.clock)

    async def judge_next(self, *, is_screening_on: bool = True) -> int:
        """Ask about the next messages of the period that is judged again; return how many."""

        async def known() -> Known:
            return Known(None, {}, {"moderation_api": is_screening_on})

        return await rescreening.ask_next(self.engine, self.clock, known)

    async def assert_true(self) -> None:
        """The counters equal the rows behind them, for every entry and school."""
        async with transaction(self.engine) as connection:
            _, broken = await counts.broken(connection, 10)
        assert broken == []

    async def receive(self, received: Sequence[Received]) -> None:
        """Record the receipts that the simulator sent, as the gateway does."""
        await self.record([twilio_receipt(each, self.clock()) for each in received])

    async def record(self, receipts: Sequence[Receipt]) -> None:
        """Record receipts."""
        await record_receipts(self.engine, self.clock, receipts)

    async def close(self) -> None:
        """End connections."""
        for dispatcher in self.dispatchers:
            for provider in dispatcher.adapters():
                await provider.close()
        await self.engine.dispose()


def twilio_receipt(received: Received, now: datetime) -> Receipt:
    """Return the receipt of a status callback."""
    form = received.form
    key = received.path.partition("delivery_key=")[2]
    if "CallSid" in form:
        return Receipt("twilio_voice", form["CallSid"], key, form["CallStatus"], "", now)
    return Receipt("twilio", form["MessageSid"], key, form["MessageStatus"], form.get("ErrorCode", ""), now)


@pytest.fixture
def make_dispatcher_for(tokens: Tokens, vendors: VendorSimulator, receiver: Receiver, tmp_path: Path) -> Make:
    """Makes a queue's dispatcher, with the simulator as its providers."""

    def make(made: Queue, **settings: Any) -> Dispatcher:
        values = {name.lower(): value for name, value in ENVIRONMENT.items() if not name.startswith("MODAPI")}
        config = ProviderConfig(
            **{
                **values,
                "database_url": made.database.url,
                "nats_url": "nats://unused",
                "auth_keys_file": tokens.keys_file,
                "service_token": "unused",
                "directory_address": "127.0.0.1:1",
                "twilio_base_url": vendors.url,
                "aws_endpoint_url": vendors.url,
                "twilio_status_callback_url": f"{receiver.url}/webhooks/twilio/status",
                "sns_platform_application_arn": PLATFORM_APPLICATION,
                "recordings_folder": tmp_path / "recordings",
                "recordings_secret": RECORDINGS_SECRET,
                "answers_secret": ANSWERS_SECRET,
                "answers_url": "https://lantern.example.org/answer",
                "recordings_url": f"{receiver.url}/webhooks/twilio/recordings",
                "provider_timeout_seconds": 2.0,
                "retry_seconds": 0.05,
                "unsure_ask_seconds": 0.05,
                "receipt_wait_seconds": 0.0,
                **settings,
            }
        )
        return make_dispatcher(config, made.engine, made.clock)

    return make


@pytest.fixture
async def queue(databases: Databases, make_dispatcher_for: Make) -> AsyncIterator[Queue]:
    """A queue with an empty database."""
    database = databases.copy("queue")
    made = Queue(create_engine(database.url, name="test"), database, Clock(), make_dispatcher_for)
    yield made
    await made.assert_true()
    await made.close()


KNOWN = Known(None, {"school-1": KnownSchool("Lincoln High", is_excluded=False)}, {"call_out": True})
__all__ += ["KNOWN", "Path", "events", "eventually"]
