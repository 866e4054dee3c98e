"""A large roster takes its time, and everybody is answered meanwhile: each click begins with GetViewer."""

import asyncio
import io
import threading
import zipfile
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.directory.v1 import directory_pb2 as pb
from services.directory import actions, importing, uploading
from services.directory.rpc import DirectoryServicer
from services.kit.auth import set_caller
from tests.integration.directory.roster_files import IMPORTER, OPERATOR, roster
from tests.integration.directory.test_directory import ids

SECONDS = 10


class Slow:
    """A step that lasts until somebody was answered."""

    def __init__(self, step: Callable[..., Any]) -> None:
        self._step, self.has_begun, self.is_answered = step, threading.Event(), threading.Event()

    def __call__(self, *given: Any) -> Any:
        self.has_begun.set()
        assert self.is_answered.wait(SECONDS), "nobody is answered meanwhile"
        return self._step(*given)


async def packed() -> AsyncIterator[pb.ImportRosterRequest]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in roster().items():
            archive.writestr(name, content)
    yield pb.ImportRosterRequest(file_name="roster.zip", chunk=buffer.getvalue())


@pytest.mark.parametrize(
    ("room", "step"),
    [(uploading, "unzip"), (importing, "read_roster"), (importing, "prepare")],
    ids=["unzip", "read", "prepare"],
)
async def test_a_viewer_is_answered_while_a_roster_is_read(
    directory_engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, room: ModuleType, step: str
) -> None:
    await importing.import_roster(directory_engine, roster(), "America/New_York", IMPORTER)
    person_id = (await ids(directory_engine))["pri"]
    slow = Slow(getattr(room, step))
    monkeypatch.setattr(room, step, slow)
    set_caller(OPERATOR)
    running = asyncio.create_task(DirectoryServicer(directory_engine, "America/New_York").ImportRoster(packed(), None))
    assert await asyncio.to_thread(slow.has_begun.wait, SECONDS)
    assert (await actions.get_viewer(directory_engine, person_id)).person.name == "Ida Cole"
    slow.is_answered.set()
    assert [each.unchanged for each in (await running).files] == [2, 9]
