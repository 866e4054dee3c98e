"""gRPC over TLS: who shows another certificate, or none, is not spoken to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from services.kit.config import ServiceSettings, problems_of
from services.kit.health import Health
from services.kit.rpc_client import async_channel, sync_channel
from services.kit.rpc_server import RpcServer
from services.kit.signing import PUBLIC, make_keys
from tests.integration.kit.test_rpc import ECHO, Echo
from tests.support.certificates import made_certificate
from tests.support.echo.v1 import echo_pb2 as pb
from tests.support.echo.v1 import echo_pb2_grpc as stubs
from tests.support.tokens import Tokens

OURS, OTHER = made_certificate(), made_certificate()


@pytest.fixture
async def address(tokens: Tokens) -> AsyncIterator[str]:
    server = RpcServer("localhost:0", tokens.verifier(), Health({}), certificate=OURS)
    server.add(stubs.add_EchoServiceServicer_to_server, Echo(), ECHO)
    await server.start()
    yield f"localhost:{server.port}"
    await server.stop(0)


async def test_who_knows_the_authority_is_answered(address: str, tokens: Tokens) -> None:
    token = tokens.service("echo.say")
    async with async_channel(address, [ECHO], lambda: token, authority=OURS.chain) as channel:
        assert (await stubs.EchoServiceStub(channel).Say(pb.SayRequest(text="caller"))).text == "test"
    with sync_channel(address, [ECHO], lambda: token, authority=OURS.chain) as channel:
        future = stubs.EchoServiceStub(channel).Say.future(pb.SayRequest(text="caller"))
        assert (await asyncio.to_thread(future.result)).text == "test"


@pytest.mark.parametrize("authority", ["", OTHER.chain])
async def test_who_does_not_sends_nothing(address: str, tokens: Tokens, authority: str) -> None:
    token = tokens.service("echo.say")
    async with async_channel(address, [ECHO], lambda: token, authority=authority) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stubs.EchoServiceStub(channel).Say(pb.SayRequest(text="caller"))
    assert refused.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@pytest.mark.parametrize(
    "given",
    [
        {"TLS_CERTIFICATE": OURS.chain},
        {"TLS_CERTIFICATE": "no PEM", "TLS_KEY": OURS.key},
        {"TLS_CERTIFICATE": OURS.chain, "TLS_KEY": OTHER.key},
        {"TLS_CERTIFICATE": OURS.chain, "TLS_KEY": "no PEM"},
        {"TLS_AUTHORITY": "no PEM"},
    ],
    ids=["alone", "certificate", "other key", "key", "authority"],
)
def test_what_cannot_be_used_is_a_problem_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: dict[str, str]
) -> None:
    make_keys(tmp_path / "keys")
    keys = str(tmp_path / "keys" / PUBLIC)
    needed = {"DATABASE_URL": "postgresql://", "NATS_URL": "nats://x", "AUTH_KEYS_FILE": keys}
    for name, value in {**needed, "TLS_CERTIFICATE": OURS.chain, "TLS_KEY": OURS.key}.items():
        monkeypatch.setenv(name, value)
    assert problems_of(ServiceSettings) == []
    for name in ("TLS_CERTIFICATE", "TLS_KEY"):
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    (problem,) = problems_of(ServiceSettings)
    assert "TLS_" in problem
