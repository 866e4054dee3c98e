"""The sample traffic finds everybody of the roster again in directory, over gRPC."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deploy.local.district import oneroster
from deploy.local.district.build import build
from deploy.local.district.directory_ids import fetch_ids
from deploy.local.district.history.record import history
from deploy.local.district.history.wire import HistoryWire
from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from services.directory import importing
from services.directory.rpc import DirectoryServicer
from services.kit.db import create_engine
from services.kit.health import Health
from services.kit.rpc_client import async_channel
from services.kit.rpc_server import RpcServer
from tests.integration.directory.roster_files import IMPORTER
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

if TYPE_CHECKING:
    from protos.directory.v1.directory_pb2_grpc import DirectoryServiceAsyncStub

AS_OF = date(2026, 11, 24)
DISTRICT = build(20, 200, AS_OF)
SERVICE = directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The district's roster."""
    oneroster.write(DISTRICT, tmp_path)
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.fixture
async def stub(
    databases: Databases, tokens: Tokens, files: dict[str, bytes]
) -> AsyncIterator["DirectoryServiceAsyncStub"]:
    """A directory that has imported the district."""
    engine = create_engine(databases.copy("directory").url, name="test", statement_timeout_seconds=30)
    await importing.import_roster(engine, files, DISTRICT.time_zone, IMPORTER)
    server = RpcServer("127.0.0.1:0", tokens.verifier(), Health({}))
    servicer = DirectoryServicer(engine, DISTRICT.time_zone)
    server.add(directory_pb2_grpc.add_DirectoryServiceServicer_to_server, servicer, SERVICE)
    await server.start()
    channel = async_channel(f"127.0.0.1:{server.port}", [SERVICE], lambda: tokens.service("directory.read"))
    yield directory_pb2_grpc.DirectoryServiceStub(channel)
    await channel.close()
    await server.stop(0)
    await engine.dispose()


async def test_everybody_is_found_the_district_office_and_the_excluded_school_included(
    stub: "DirectoryServiceAsyncStub",
) -> None:
    ids = await fetch_ids(stub)
    assert set(ids.people) == {person.sourced_id for person in DISTRICT.people}
    assert set(ids.schools) == {school.sourced_id for school in DISTRICT.schools}


async def test_the_whole_history_can_be_told_with_these_ids_and_names_are_as_directory_shows_them(
    stub: "DirectoryServiceAsyncStub",
) -> None:
    ids = await fetch_ids(stub)
    wire = HistoryWire(DISTRICT, ids)
    requests = [request for line in history(DISTRICT, AS_OF) for request in wire.requests(line)]
    told = {one.row.recipient.person_id: one.row.recipient for each in requests for one in each.message.recipients}
    known = await stub.BatchGetPeople(
        directory_pb2.BatchGetPeopleRequest(person_ids=[one for one in told if one][:500])
    )
    assert len(known.people) > 100
    for person in known.people:
        said = told[person.person_id]
        assert (said.name, said.role, said.language) == (person.name, person.role, person.language)
