"""`import-roster` as an operator runs it: a real process against a real directory."""

import asyncio
import io
import os
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from services.directory.rpc import DirectoryServicer
from services.kit.health import Health
from services.kit.rpc_server import RpcServer
from tests.integration.directory.roster_files import USERS, roster
from tests.support.tokens import Tokens

SERVICE = directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"]


def archive(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return content.getvalue()


@pytest.fixture
async def environment(directory_engine: AsyncEngine, tokens: Tokens) -> AsyncIterator[dict[str, str]]:
    server = RpcServer("127.0.0.1:0", tokens.verifier(), Health({}))
    servicer = DirectoryServicer(directory_engine, "America/New_York")
    server.add(directory_pb2_grpc.add_DirectoryServiceServicer_to_server, servicer, SERVICE)
    await server.start()
    yield {"DIRECTORY_ADDRESS": f"127.0.0.1:{server.port}", "SERVICE_TOKEN": tokens.service("directory.write")}
    await server.stop(0)


async def run(environment: Mapping[str, str], content: bytes) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.directory", "import-roster"),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate(content)
    assert process.returncode is not None
    return process.returncode, said.decode(), complained.decode()


async def test_it_says_what_came_of_the_set_and_why_one_is_refused(environment: dict[str, str]) -> None:
    code, said, complained = await run(environment, archive(roster()))
    # gRPC itself may say something there, too.
    assert (code, "refused" in complained) == (0, False), complained
    assert "users.csv: 9 created, 0 changed, 0 as they were, 0 left" in said
    cut = archive(roster(users=USERS.splitlines()[0] + "\n"))
    with capture_logs() as logs:
        code, said, complained = await run(environment, cut)
    assert [(each["event"], each["reason"]) for each in logs if each["log_level"] == "warning"] == [
        ("roster_refused", "ROSTER_LEAVERS")
    ]
    assert (code, said) == (1, "")
    assert "ROSTER_LEAVERS" in complained
    code, said, _ = await run({**environment, "ACCEPTS_LEAVERS": "true"}, cut)
    assert "9 left" in said
    code, _, complained = await run(environment, b"no archive")
    assert (code, "ROSTER_NOT_ZIP" in complained) == (1, True)
    code, _, complained = await run({**environment, "SERVICE_TOKEN": "x"}, archive(roster()))
    assert (code, "TOKEN_INVALID" in complained) == (1, True)
