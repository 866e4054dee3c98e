"""Recorded calls: upload, stores, playing to Twilio and to staff, retention."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import ValidationError

from services.kit.auth import Caller, Viewer
from services.kit.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
    Unavailable,
)
from services.queue.actions import recordings as actions
from services.queue.actions.recordings import LISTENING, Recordings
from services.queue.actions.resendable import Resend
from services.queue.actions.resending import resend
from services.queue.config import QueueConfig
from services.queue.domain import Channel, State
from services.queue.providers.aws import AwsSettings
from services.queue.providers.recordings import FolderRecordings, RecordingStore, S3Recordings
from services.queue.store.recordings import Recording
from services.queue.tickets import Tickets
from tests.integration.queue.conftest import RECORDINGS_SECRET, Queue, draft, person
from tests.integration.queue.from_directory import told
from tests.support.sound import mp3, wav
from tests.support.tokens import Tokens
from tests.support.vendors import Receiver, VendorSimulator

BUCKET = "lantern-recordings"
RECORDED = [("recorded", "")]
KEPT = timedelta(days=365)


def viewer(person_id: str, *schools: str, all_users: bool = False, role: str = "teacher") -> Caller:
    permissions = frozenset({"send_messages", "view_all_users"} if all_users else {"send_messages"})
    seen = Viewer(person_id, "Name", role, permissions, frozenset(schools), all_users=all_users)
    return Caller(person_id, frozenset(), seen)


TESS = viewer("teacher-1", "school-1")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """An S3 that speaks Amazon's protocol, with our bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"http://{host}:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=BUCKET)
    client.close()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RecordingStore]:
    """Both stores in turn."""
    if request.param == "folder":
        made: RecordingStore = FolderRecordings(tmp_path / "kept")
    else:
        made = S3Recordings(_settings(request.getfixturevalue("s3")), BUCKET)
    yield made
    await made.close()


def _settings(endpoint_url: str) -> AwsSettings:
    return AwsSettings("us-east-1", "key", "secret", endpoint_url, timeout_seconds=3.0, concurrency=4)


def over(queue: Queue, store: RecordingStore) -> Recordings:
    return Recordings(queue.engine, queue.clock, store, Tickets(RECORDINGS_SECRET))


async def upload(recordings: Recordings, content: bytes = b"", caller: Caller = TESS) -> Recording:
    whole = content or wav()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 5_000):
            yield whole[start : start + 5_000]

    return await recordings.keep(caller, pieces())


async def heard(recordings: Recordings, caller: Caller, ticket: str) -> bytes:
    found = await recordings.find(caller, ticket)
    return b"".join([piece async for piece in recordings.read(found, 0, found.size_bytes)])


async def refused(recordings: Recordings, callers: Sequence[Caller], entry_id: str, ticket: str) -> None:
    for each in callers:
        for attempt in (recordings.open_entry(each, entry_id), recordings.find(each, ticket)):
            with pytest.raises(NotFound):
                await attempt


async def test_an_upload_is_kept_and_played_back_in_parts(queue: Queue, store: RecordingStore) -> None:
    recordings = over(queue, store)
    for content, kind in ((wav(20.0), "audio/wav"), (mp3(), "audio/mpeg")):
        made = await upload(recordings, content)
        assert (made.content_type, made.size_bytes) == (kind, len(content))
        ticket, _ = await recordings.open_draft(TESS, made.recording_id)
        text = recordings.tickets.sign(ticket)
        assert await heard(recordings, TESS, text) == content
        part = [piece async for piece in recordings.read(made, 10, 50)]
        assert b"".join(part) == content[10:60]
        assert [piece async for piece in recordings.read(made, len(content), 50)] == []
        with pytest.raises(NotFound):
            await recordings.open_draft(viewer("teacher-2", "school-1"), made.recording_id)


async def test_what_is_no_recording_is_refused_and_leaves_nothing(queue: Queue, store: RecordingStore) -> None:
    recordings = over(queue, store)
    for content in (b"not a sound", b"\x00" * 11_000_000):
        with pytest.raises(InvalidArgument):
            await upload(recordings, content)
    assert await queue.rows("SELECT 1 FROM recordings") == []


async def test_a_person_has_a_limited_number_of_unsent_recordings(queue: Queue, tmp_path: Path) -> None:
    recordings = over(queue, FolderRecordings(tmp_path / "kept"))
    short = wav(0.01)
    for _ in range(50):
        await upload(recordings, short)
    with pytest.raises(ResourceExhausted):
        await upload(recordings, short)
    await upload(recordings, short, viewer("teacher-2", "school-1"))


async def test_a_store_that_does_not_answer_keeps_nothing_and_says_so(queue: Queue) -> None:
    recordings = over(queue, S3Recordings(_settings("http://127.0.0.1:9"), BUCKET))
    with pytest.raises(Unavailable):
        await upload(recordings)
    (row,) = await queue.rows("SELECT recording_id::text, stored_at FROM recordings")
    with pytest.raises(NotFound):
        await recordings.open_draft(TESS, row[0])
    await recordings.store.close()


@pytest.mark.accepts(40, 58)
@pytest.mark.parametrize("of_use", [timedelta(minutes=1), timedelta(days=20)])
async def test_a_recorded_call_plays_its_recording_however_soon_or_late_its_time_ends(
    queue: Queue, vendors: VendorSimulator, receiver: Receiver, tmp_path: Path, of_use: timedelta
) -> None:
    queue.clock.stop()
    recordings = over(queue, FolderRecordings(tmp_path / "recordings"))
    content = wav()
    made = await upload(recordings, content)
    message = draft(channels=RECORDED, recording_id=made.recording_id, expires_at=queue.clock() + of_use)
    done = await queue.submit(message, [person(1), person(2)])
    await queue.drain(queue.dispatcher())
    await asyncio.to_thread(vendors.wait_quiet)
    await queue.receive(list(receiver.requests))
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 2, "sent": 2}
    addresses = {ET.fromstring(each["details"]["twiml"]).findtext("Play") for each in vendors.arrivals(channel="voice")}  # noqa: S314
    (address,) = addresses
    ticket = str(address).rpartition("/")[2]
    gateway = Caller("gateway", frozenset())
    queue.clock.ahead = timedelta(hours=24, minutes=5)
    assert await heard(recordings, gateway, ticket) == content
    queue.clock.ahead = timedelta(hours=26)
    with pytest.raises(NotFound):
        await recordings.find(gateway, ticket)


async def test_a_recorded_call_needs_a_recording_of_its_sender(queue: Queue, tmp_path: Path) -> None:
    recordings = over(queue, FolderRecordings(tmp_path / "kept"))
    foreign = await upload(recordings, caller=viewer("teacher-2", "school-1"))
    for recording_id in ("", foreign.recording_id, "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(InvalidArgument) as caught:
            await queue.submit(draft(channels=RECORDED, recording_id=recording_id), [person(1)])
        assert caught.value.reason == "RECORDING_MISSING"
    assert await queue.rows("SELECT 1 FROM messages") == []


@pytest.mark.accepts(89)
async def test_only_those_who_see_the_row_hear_it(queue: Queue, tmp_path: Path) -> None:
    recordings = over(queue, FolderRecordings(tmp_path / "kept"))
    made = await upload(recordings)
    message = draft(channels=RECORDED, recording_id=made.recording_id)
    done = await queue.submit(message, [person(2, school_id="school-1")])
    entry_id = done.snapshot.entries[0].entry_id
    officer = viewer("officer", "*", all_users=True, role="admin")
    for caller in (TESS, officer, viewer("principal", "school-1", all_users=True, role="admin")):
        ticket, _ = await recordings.open_entry(caller, entry_id)
        assert ticket.expires_at <= queue.clock() + LISTENING
        assert await heard(recordings, caller, recordings.tickets.sign(ticket)) == wav()
    ticket, _ = await recordings.open_entry(officer, entry_id)
    text = recordings.tickets.sign(ticket)
    strangers = [
        viewer("colleague", "school-1"),
        viewer("elsewhere", "school-2", all_users=True, role="admin"),
        viewer("student-1", "school-1", role="student"),
        # Held the right when the ticket was given, and lost it.
        viewer("officer", "school-2", all_users=True, role="admin"),
    ]
    await refused(recordings, strangers, entry_id, text)
    with pytest.raises(NotFound):
        await recordings.find(TESS, text)
    queue.clock.ahead = LISTENING + timedelta(seconds=1)
    with pytest.raises(NotFound):
        await recordings.find(officer, text)


async def test_an_entry_without_a_recording_has_none(queue: Queue, tmp_path: Path) -> None:
    recordings = over(queue, FolderRecordings(tmp_path / "kept"))
    done = await queue.submit(draft(), [person(1)])
    for entry_id in (done.snapshot.entries[0].entry_id, "00000000-0000-0000-0000-000000000000"):
        with pytest.raises(NotFound):
            await recordings.open_entry(Caller("reports", frozenset()), entry_id)


async def test_what_is_never_sent_goes_after_a_day_and_the_rest_after_its_time(
    queue: Queue, store: RecordingStore
) -> None:
    recordings = over(queue, store)
    unsent, sent = await upload(recordings), await upload(recordings)
    message = draft(channels=RECORDED, recording_id=sent.recording_id)
    done = await queue.submit(message, [person(1)])
    entry_id = done.snapshot.entries[0].entry_id
    assert await queue.expire(entry_id) == 1
    assert await recordings.sweep(KEPT) == 0
    queue.clock.ahead = timedelta(days=2)
    assert await recordings.sweep(KEPT) == 1
    with pytest.raises(NotFound):
        await store.read(unsent.recording_id, 0, 10)
    again = Resend("again", b"h", entry_id, [State.EXPIRED], None)
    service = Caller("test", frozenset())
    fresh, _ = await resend(queue.engine, queue.clock, service, again, told())
    assert (await recordings.open_entry(service, fresh))[1].recording_id == sent.recording_id
    queue.clock.ahead = timedelta(days=366)
    assert await recordings.sweep(KEPT) == 0
    queue.clock.ahead = timedelta(days=368)
    assert await recordings.sweep(KEPT) == 1
    assert await recordings.sweep(KEPT) == 0
    with pytest.raises(NotFound):
        await recordings.open_entry(service, entry_id)
    later = Resend("later", b"h", entry_id, [State.EXPIRED], None)
    with pytest.raises(FailedPrecondition) as caught:
        await resend(queue.engine, queue.clock, service, later, told())
    assert caught.value.reason == "RECORDING_GONE"


async def test_the_time_of_a_recording_that_is_sent_later_counts_from_then(queue: Queue, tmp_path: Path) -> None:
    recordings = over(queue, FolderRecordings(tmp_path / "kept"))
    made = await upload(recordings)
    send_at = queue.clock() + timedelta(minutes=9)
    await queue.submit(draft(channels=RECORDED, recording_id=made.recording_id, send_at=send_at), [person(1)])
    queue.clock.ahead = KEPT + timedelta(minutes=5)
    assert await recordings.sweep(KEPT) == 0


async def test_a_sweep_that_broke_off_is_finished_by_the_next(queue: Queue, tmp_path: Path) -> None:
    gone = over(queue, S3Recordings(_settings("http://127.0.0.1:9"), BUCKET))
    recordings = over(queue, FolderRecordings(tmp_path / "kept"))
    made = await upload(recordings)
    queue.clock.ahead = timedelta(days=2)
    assert await gone.sweep(KEPT) == 0
    assert list((tmp_path / "kept").iterdir()) != []
    assert await recordings.sweep(KEPT) == 1
    assert list((tmp_path / "kept").iterdir()) == []
    (row,) = await queue.rows(
        "SELECT removed_at IS NOT NULL FROM recordings WHERE recording_id = :id", id=made.recording_id
    )
    assert row[0]
    await gone.store.close()


async def test_one_that_cannot_be_removed_keeps_no_other(
    queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_REMOVED_AT_ONCE", 1)
    folder = tmp_path / "kept"
    recordings = over(queue, FolderRecordings(folder))
    stuck = await upload(recordings)
    (audio,) = folder.iterdir()
    # A folder in the place of the file: no file system lets it be unlinked.
    audio.unlink()
    audio.mkdir()
    queue.clock.ahead = timedelta(minutes=1)
    behind = await upload(recordings)
    queue.clock.ahead = timedelta(days=2)
    assert [await recordings.sweep(KEPT) for _ in range(3)] == [0, 1, 0]
    rows = await queue.rows("SELECT recording_id::text, removed_at IS NOT NULL FROM recordings ORDER BY created_at")
    assert [tuple(row) for row in rows] == [(stuck.recording_id, False), (behind.recording_id, True)]
    audio.rmdir()
    audio.touch()
    assert await recordings.sweep(KEPT) == 1


async def test_what_a_waiting_call_plays_is_kept_however_late_it_expires(queue: Queue, tmp_path: Path) -> None:
    recordings = over(queue, FolderRecordings(tmp_path / "kept"))
    made = await upload(recordings)
    expires_at = queue.clock() + timedelta(days=400)
    await queue.submit(draft(channels=RECORDED, recording_id=made.recording_id, expires_at=expires_at), [person(1)])
    queue.clock.ahead = timedelta(days=399)
    assert await recordings.sweep(KEPT) == 0
    queue.clock.ahead = timedelta(days=401)
    assert await recordings.sweep(KEPT) == 1


def test_settings_of_recordings_are_checked(tmp_path: Path, tokens: Tokens) -> None:
    base = {"database_url": "postgresql://x", "nats_url": "nats://x", "service_token": "x", "directory_address": "x:1"}
    base |= {"auth_keys_file": str(tokens.keys_file)}
    for wrong in (
        {"recordings_folder": tmp_path},
        {"recordings_folder": tmp_path, "recordings_bucket": BUCKET, "recordings_secret": "s" * 32},
    ):
        with pytest.raises(ValidationError, match="RECORDINGS_"):
            QueueConfig(**{**base, **wrong})  # type: ignore[arg-type]
    assert not QueueConfig(**base).has_recordings  # type: ignore[arg-type]


async def test_both_channels_of_calls_are_served(queue: Queue) -> None:
    assert {Channel.TTS, Channel.RECORDED} <= set(queue.dispatcher().providers)
