"""The queue's real processes: killed at named points of a batch, and started again.

To 700 people, and 200 by each channel of calls and push, or as many as RECIPIENTS says: `make faults` kills them while
20,000 are written to.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from grpc import aio

from deploy.local.ports import free_port
from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as pb
from protos.queue.v1 import queue_pb2_grpc
from protos.types.v1 import types_pb2 as types
from services.kit.db import create_engine
from services.queue.domain import CALL_BATCH_SIZE
from services.queue.providers.recordings import FolderRecordings
from services.queue.records import Addressee, Draft, Receipt
from tests.integration.queue.conftest import RECORDINGS_SECRET, Clock, Make, Queue, draft, person
from tests.integration.queue.test_recordings import over, upload
from tests.support.eventually import eventually
from tests.support.forked import Forked, start
from tests.support.postgres import Database, Databases
from tests.support.tokens import Tokens
from tests.support.vendors import ENVIRONMENT, PLATFORM_APPLICATION, VendorSimulator

RECIPIENTS = int(os.environ.get("RECIPIENTS", "700"))
RUNG = int(os.environ.get("RECIPIENTS", "200"))
"""Who gets a call of each kind, and who a push message."""
SETTLED_SECONDS = 120.0 + RECIPIENTS / 20
IN_QUESTION = 80
"""E-mails that may have been at SES when a dispatcher died that works on one batch: two and a half slices."""
STOP_POINTS = [
    "after_claim",
    "after_mark",
    "after_delivery",
    "after_delivery:100",
    "after_provider_call",
    "before_settle_commit",
]


class Processes:
    """Starts the queue's processes with one environment, and ends them."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self.running: list[Forked] = []

    def start(self, process: str, **settings: str) -> Forked:
        """Start one; what it says goes to a file of the test's folder."""
        log = self._folder / f"{process}-{len(self.running)}.log"
        started = start("queue", process, {**self._environment, **settings}, log)
        self.running.append(started)
        return started

    async def kill(self, stop_at: str, **settings: str) -> None:
        """Let a dispatcher kill itself at a named point."""
        doomed = self.start("dispatch", STOP_AT=stop_at, **settings)
        assert await asyncio.to_thread(doomed.wait, 30) == -signal.SIGKILL

    async def kill_and_follow(self, stop_at: str, **settings: str) -> None:
        """Let a dispatcher kill itself at a named point, then start another, and what looks after lost claims."""
        await self.kill(stop_at, **settings)
        self.follow(**settings)

    def follow(self, **settings: str) -> None:
        """Start a dispatcher, and what looks after lost claims."""
        self.start("dispatch", **settings)
        self.start("tick", **settings)

    def end(self) -> None:
        """Stop what still runs."""
        for each in self.running:
            if each.poll() is None:
                each.send_signal(signal.SIGTERM)
        for each in self.running:
            assert each.wait(timeout=20) in {0, -signal.SIGKILL}


@pytest.fixture
def database(databases: Databases) -> Database:
    return databases.copy("queue")


@pytest.fixture
def address() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def processes(
    database: Database, nats_url: str, tokens: Tokens, vendors: VendorSimulator, address: str, tmp_path: Path
) -> Iterator[Processes]:
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        **ENVIRONMENT,
        "LISTEN": address,
        "DATABASE_URL": database.url,
        "NATS_URL": nats_url,
        "AUTH_KEYS_FILE": str(tokens.keys_file),
        "SERVICE_TOKEN": tokens.service("directory.read", name="queue"),
        "DIRECTORY_ADDRESS": "127.0.0.1:1",
        "TWILIO_BASE_URL": vendors.url,
        "AWS_ENDPOINT_URL": vendors.url,
        "SNS_PLATFORM_APPLICATION_ARN": PLATFORM_APPLICATION,
        "RECORDINGS_FOLDER": str(tmp_path / "recordings"),
        "RECORDINGS_SECRET": RECORDINGS_SECRET,
        "RECORDINGS_URL": "http://127.0.0.1:1/webhooks/twilio/recordings",
        "LEASE_SECONDS": "3",
        "PROVIDER_TIMEOUT_SECONDS": "0.9",
        "UNSURE_ASK_SECONDS": "0.2",
        "SILENT_ASK_SECONDS": "1",
        "RECEIPT_WAIT_SECONDS": "0",
        "WORKERS": "1",
    }
    made = Processes(environment, tmp_path)
    yield made
    made.end()


@pytest.fixture
async def stub(address: str, tokens: Tokens) -> AsyncIterator["queue_pb2_grpc.QueueServiceAsyncStub"]:
    async with aio.insecure_channel(address) as channel:
        yield queue_pb2_grpc.QueueServiceStub(channel)


def _pieces() -> list[pb.SubmitRequest]:
    header = pb.MessageHeader(
        idempotency_key="one",
        sender=pb.Sender(name="Lantern"),
        subject="Alert",
        body="Possible threat identified.",
        channels=[pb.ChannelContent(channel=types.CHANNEL_SMS)],
        kind=types.MESSAGE_KIND_ALERT,
        lane=types.LANE_ALERT,
    )
    pieces = [pb.SubmitRequest(header=header)]
    for first in range(0, RECIPIENTS, 500):
        numbers = range(first, min(first + 500, RECIPIENTS))
        columns = directory.RecipientColumns(
            count=len(numbers),
            names=[f"Counsellor {number}" for number in numbers],
            roles=[types.ROLE_ADMIN] * len(numbers),
            mobiles=[f"+1212{3_000_000 + number}" for number in numbers],
        )
        pieces.append(pb.SubmitRequest(recipients=pb.Recipients(columns=columns)))
    return pieces


@pytest.mark.accepts(65, 240)
@pytest.mark.parametrize("stop_at", STOP_POINTS)
async def test_a_dispatcher_killed_at_any_point_sends_once(
    processes: Processes,
    stub: "queue_pb2_grpc.QueueServiceAsyncStub",
    tokens: Tokens,
    vendors: VendorSimulator,
    stop_at: str,
) -> None:
    processes.start("serve")
    metadata = (("authorization", f"Bearer {tokens.service('queue.submit', 'queue.alerts', 'queue.read')}"),)
    done = await stub.Submit(iter(_pieces()), metadata=metadata, wait_for_ready=True, timeout=30)
    assert done.entries[0].counts.total == RECIPIENTS
    repeat = await stub.Submit(iter(_pieces()), metadata=metadata, timeout=30)
    assert repeat.is_repeat
    assert repeat.message_id == done.message_id
    await processes.kill_and_follow(stop_at)

    async def all_sent() -> None:
        message = await stub.GetMessage(pb.GetMessageRequest(message_id=done.message_id), metadata=metadata)
        counts = message.entries[0].counts
        assert (counts.total, counts.sent) == (RECIPIENTS, RECIPIENTS)

    await eventually(all_sent, SETTLED_SECONDS)
    counts = vendors.counts()
    assert (counts["total"], counts["recipients"], counts["doubles"]) == (RECIPIENTS, RECIPIENTS, 0)
    answer = await stub.CheckInvariant(pb.CheckInvariantRequest(), metadata=metadata)
    assert (answer.checked, list(answer.broken)) == (1, [])


@pytest.fixture
async def queue(database: Database, make_dispatcher_for: Make) -> AsyncIterator[Queue]:
    """The queue of these processes, for what a test submits and hears by itself."""
    made = Queue(create_engine(database.url, name="test"), database, Clock(), make_dispatcher_for)
    yield made
    await made.assert_true()
    await made.close()


@pytest.mark.accepts(65, 240)
@pytest.mark.parametrize("stop_at", STOP_POINTS)
async def test_a_dispatcher_killed_at_any_point_mails_nobody_twice_and_names_whom_it_lost(
    processes: Processes, queue: Queue, vendors: VendorSimulator, stop_at: str
) -> None:
    people = [person(number) for number in range(1, RECIPIENTS + 1)]
    entry_id = (await queue.submit(draft(), people)).snapshot.entries[0].entry_id
    await processes.kill_and_follow(stop_at, RECEIPT_WAIT_SECONDS="3")
    told = 0

    async def all_known() -> dict[str, int]:
        nonlocal told
        told = await _tell_of_mail(queue, vendors, told)
        counts = await queue.counts(entry_id)
        assert counts.get("sent", 0) + counts.get("error", 0) == counts["total"], counts
        return counts

    counts = await eventually(all_known, SETTLED_SECONDS)
    arrived = vendors.counts()
    assert (arrived["total"], arrived["recipients"], arrived["doubles"]) == (counts["sent"], counts["sent"], 0)
    assert counts.get("error", 0) <= IN_QUESTION
    lost = await queue.rows("SELECT DISTINCT error_code FROM outcomes WHERE state = 'error'")
    assert {row[0] for row in lost} <= {"UNKNOWN_OUTCOME"}


async def _tell_of_mail(queue: Queue, vendors: VendorSimulator, after: int) -> int:
    """Record SES's receipts of what arrived since, as the gateway does; return up to which arrival they are told."""
    new = vendors.arrivals(channel="email", after=after, limit=RECIPIENTS)
    now = queue.clock()
    receipts = [Receipt("ses", each["vendor_id"], each["tags"]["delivery_key"], "Delivery", "", now) for each in new]
    for first in range(0, len(receipts), 500):
        await queue.record(receipts[first : first + 500])
    return max((int(each["seq"]) for each in new), default=after)


@pytest.mark.accepts(65, 240)
@pytest.mark.parametrize("stop_at", STOP_POINTS)
async def test_a_dispatcher_killed_at_any_point_rings_nobody_twice_and_forgets_nobody(
    processes: Processes, queue: Queue, vendors: VendorSimulator, tmp_path: Path, stop_at: str
) -> None:
    recording = await upload(over(queue, FolderRecordings(tmp_path / "recordings")))
    messages = {
        "tts": draft(channels=[("tts", "School is closed.")]),
        "recorded": draft(channels=[("recorded", "")], recording_id=recording.recording_id),
        "push": draft(channels=[("push", "School is closed.")]),
    }
    people = {channel: _people(place * RUNG) for place, channel in enumerate(messages)}
    entries: dict[str, list[str]] = {}
    for channel, message in messages.items():
        # One batch each: the dispatcher that dies has nothing but calls of this channel in its hands.
        entries[channel] = [await _submit(queue, message, people[channel][:CALL_BATCH_SIZE])]
        await processes.kill(stop_at)
    begun = await queue.rows("SELECT channel, begun FROM batches WHERE state = 'claimed'")
    assert {row[0] for row in begun} == set(messages)
    lost = {row[0]: row[1] for row in begun}["push"]
    for channel, message in messages.items():
        later = replace(message, idempotency_key=f"later-{channel}")
        entries[channel].append(await _submit(queue, later, people[channel][CALL_BATCH_SIZE:]))
    processes.follow()
    expected = {each: Counter(total=RUNG, sent=RUNG) for each in messages}
    # Twilio is asked whom it called. SNS cannot be asked: up to the mark nobody knows, and beyond it nobody was tried.
    expected["push"] = Counter(total=RUNG, sent=RUNG - lost, error=lost)

    async def all_known() -> None:
        found = {
            channel: sum([Counter(await queue.counts(each)) for each in ids], Counter())
            for channel, ids in entries.items()
        }
        assert found == expected

    await eventually(all_known, SETTLED_SECONDS)
    arrived = vendors.counts()
    assert (arrived["by_channel"]["voice"], arrived["doubles"], arrived["repeats"]) == (2 * RUNG, 0, 0)
    assert RUNG - lost <= arrived["by_channel"]["push"] <= RUNG
    unknown = await queue.rows("SELECT DISTINCT error_code FROM outcomes WHERE state = 'error'")
    assert [row[0] for row in unknown] == ["UNKNOWN_OUTCOME"]


def _people(after: int) -> list[Addressee]:
    """Return people with a number and a device each, whom no other message is for; the first batch is of one school."""
    numbers = range(after + 1, after + RUNG + 1)
    return [person(each, school_id="school-1", devices=f"device-{each}") for each in numbers]


async def _submit(queue: Queue, message: Draft, people: Sequence[Addressee]) -> str:
    return (await queue.submit(message, people)).snapshot.entries[0].entry_id
