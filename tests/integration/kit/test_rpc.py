"""A real server and real channels: tokens, scopes, deadlines, errors both ways, retries, health, reflection."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from services.kit.auth import Viewer, current_caller, require_viewer
from services.kit.errors import InvalidArgument, NotFound, ResourceExhausted
from services.kit.health import Health
from services.kit.rpc_calls import seconds_left
from services.kit.rpc_client import async_channel, sync_channel
from services.kit.rpc_errors import from_grpc, translated
from services.kit.rpc_server import MissingScope, RpcServer, scopes_of
from tests.support.echo.v1 import echo_pb2 as pb
from tests.support.echo.v1 import echo_pb2_grpc as stubs
from tests.support.tokens import Tokens

ECHO = pb.DESCRIPTOR.services_by_name["EchoService"]
AMY = Viewer("p1", "Amy", "admin", frozenset({"reports.view"}), frozenset({"s1"}), all_users=False)


class Echo(stubs.EchoServiceServicer):
    def __init__(self) -> None:
        self.gets = 0

    async def Say(self, request: pb.SayRequest, context: Any) -> pb.SayResponse:
        match request.text:
            case "caller":
                return pb.SayResponse(text=current_caller().subject)
            case "viewer":
                return pb.SayResponse(text=f"{require_viewer().name} {sorted(require_viewer().schools)}")
            case "left":
                return pb.SayResponse(text=str(seconds_left()))
            case "invalid":
                raise InvalidArgument("TEXT_INVALID", "No.", violations=[("/text", "Say something else.")])
            case "busy":
                raise ResourceExhausted("RATE_LIMITED", "Later.", retry_after_seconds=1.5)
            case "missing":
                raise NotFound("ECHO_NOT_FOUND", "Nothing.", metadata={"id": "7"})
            case "bug":
                raise ZeroDivisionError("the secret text of amy@example.org")
            case "slow":
                await asyncio.sleep(30)
        return pb.SayResponse(text=request.text)

    async def Get(self, request: pb.GetRequest, context: Any) -> pb.GetResponse:
        self.gets += 1
        if self.gets < 3:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "starting")
        return pb.GetResponse(text=request.text)

    async def Repeat(self, request: pb.RepeatRequest, context: Any) -> AsyncIterator[pb.RepeatResponse]:
        for _ in range(request.times):
            yield pb.RepeatResponse(text=f"{request.text} {current_caller().subject}")
        if request.text == "fails":
            raise NotFound("ECHO_NOT_FOUND", "Nothing more.")

    async def Join(self, request_iterator: AsyncIterator[pb.JoinRequest], context: Any) -> pb.JoinResponse:
        return pb.JoinResponse(text="".join([each.text async for each in request_iterator]))


class Dependency:
    answers = True

    async def check(self) -> None:
        if not self.answers:
            raise ConnectionError


class Running:
    """A server, and what a test needs around it."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens, self.echo, self.dependency = tokens, Echo(), Dependency()
        self.health = Health({"database": self.dependency.check})
        self.server = RpcServer("127.0.0.1:0", tokens.verifier(), self.health, concurrent_calls=2)
        self.server.add(stubs.add_EchoServiceServicer_to_server, self.echo, ECHO)
        self.channels: list[aio.Channel] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def stub(self, token: str | None = None, **options: Any) -> "stubs.EchoServiceAsyncStub":
        token = self.tokens.service("echo.say") if token is None else token
        channel = async_channel(self.address, [ECHO], lambda: token, **options)
        self.channels.append(channel)
        return stubs.EchoServiceStub(channel)


@pytest.fixture
async def running(tokens: Tokens) -> AsyncIterator[Running]:
    up = Running(tokens)
    await up.server.start()
    await up.health.check_once()
    yield up
    for channel in up.channels:
        await channel.close()
    await up.server.stop(0)


async def test_a_service_token_with_the_scope_is_let_in_on_every_kind_of_call(running: Running) -> None:
    stub = running.stub()
    assert (await stub.Say(pb.SayRequest(text="caller"))).text == "test"
    assert [each.text async for each in stub.Repeat(pb.RepeatRequest(text="a", times=2))] == ["a test", "a test"]
    assert (await stub.Join(iter([pb.JoinRequest(text="a"), pb.JoinRequest(text="b")]))).text == "ab"


async def test_a_viewer_token_carries_the_viewer(running: Running) -> None:
    stub = running.stub(running.tokens.viewer(AMY, "echo.say"))
    assert (await stub.Say(pb.SayRequest(text="viewer"))).text == "Amy ['s1']"


@pytest.mark.parametrize(
    ("token", "code", "reason"),
    [
        ("", "UNAUTHENTICATED", "TOKEN_MISSING"),
        ("nonsense", "UNAUTHENTICATED", "TOKEN_INVALID"),
        ("other scope", "PERMISSION_DENIED", "SCOPE_MISSING"),
    ],
)
async def test_without_a_good_token_nothing_is_answered(running: Running, token: str, code: str, reason: str) -> None:
    token = running.tokens.service("echo.other") if token == "other scope" else token
    with pytest.raises(grpc.RpcError) as refusal:
        await running.stub(token).Say(pb.SayRequest(text="hello"))
    error = from_grpc(refusal.value)
    assert (error.code, error.reason) == (code, reason)
    assert reason != "SCOPE_MISSING" or "echo.say" in error.message


async def test_errors_keep_their_class_reason_and_details_across_the_wire(running: Running) -> None:
    stub = running.stub()
    with pytest.raises(InvalidArgument) as invalid, translated():
        await stub.Say(pb.SayRequest(text="invalid"))
    assert invalid.value.violations == (("/text", "Say something else."),)
    with pytest.raises(ResourceExhausted) as busy, translated():
        await stub.Say(pb.SayRequest(text="busy"))
    assert busy.value.retry_after_seconds == 1.5
    with pytest.raises(NotFound) as missing, translated():
        await stub.Say(pb.SayRequest(text="missing"))
    assert (missing.value.reason, missing.value.metadata) == ("ECHO_NOT_FOUND", {"id": "7"})
    with pytest.raises(NotFound), translated():
        async for _ in stub.Repeat(pb.RepeatRequest(text="fails", times=1)):
            pass


async def test_a_bug_answers_internal_without_its_text(running: Running) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        await running.stub().Say(pb.SayRequest(text="bug"))
    assert refusal.value.code() == grpc.StatusCode.INTERNAL
    assert refusal.value.details() == ""


async def test_the_inner_deadline_is_the_one_that_is_reported(running: Running) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        await running.stub().Say(pb.SayRequest(text="slow"), timeout=0.3)
    assert from_grpc(refusal.value).reason == "DEADLINE_EXCEEDED"
    assert refusal.value.details() == "The call's time was over."
    with pytest.raises(grpc.RpcError) as late:
        await running.stub().Say(pb.SayRequest(text="hello"), timeout=0.09)
    assert from_grpc(late.value).reason == "DEADLINE_TOO_CLOSE"


async def test_a_call_without_a_deadline_gets_the_channels(running: Running) -> None:
    left = float((await running.stub(deadline_seconds=2).Say(pb.SayRequest(text="left"))).text)
    assert 1 < left < 2


async def test_unavailable_is_retried_only_where_repeating_is_harmless(running: Running) -> None:
    assert (await running.stub().Get(pb.GetRequest(text="again"))).text == "again"
    assert running.echo.gets == 3
    assert ECHO.methods_by_name["Say"].GetOptions().idempotency_level == MethodOptions.IDEMPOTENCY_UNKNOWN


async def test_calls_beyond_the_limit_are_refused(running: Running) -> None:
    stub = running.stub()
    slow = [asyncio.ensure_future(stub.Say(pb.SayRequest(text="slow"), timeout=2)) for _ in range(5)]
    outcomes = await asyncio.gather(*slow, return_exceptions=True)
    codes = sorted(each.code().name for each in outcomes if isinstance(each, grpc.RpcError))
    assert codes == ["DEADLINE_EXCEEDED"] * 2 + ["RESOURCE_EXHAUSTED"] * 3


async def test_health_follows_the_dependencies_and_is_open_to_all(running: Running) -> None:
    async with aio.insecure_channel(running.address) as channel:
        ask = health_pb2_grpc.HealthStub(channel)

        async def status() -> int:
            return int((await ask.Check(health_pb2.HealthCheckRequest(service=ECHO.full_name), timeout=2)).status)

        assert await status() == health_pb2.HealthCheckResponse.SERVING
        running.dependency.answers = False
        await running.health.check_once()
        assert await status() == health_pb2.HealthCheckResponse.NOT_SERVING
        assert running.health.failing == {"database": "ConnectionError"}


async def test_sync_channels_and_reflection_work_from_a_thread(running: Running) -> None:
    token = running.tokens.service("echo.say")

    def ask() -> tuple[str, list[str]]:
        with sync_channel(running.address, [ECHO], lambda: token) as channel:
            said = stubs.EchoServiceStub(channel).Say(pb.SayRequest(text="caller")).text
        with grpc.insecure_channel(running.address) as channel:
            return said, list(ProtoReflectionDescriptorDatabase(channel).get_services())

    said, names = await asyncio.to_thread(ask)
    assert said == "test"
    assert ECHO.full_name in names


def test_a_method_without_a_scope_is_not_served() -> None:
    file = FileDescriptorProto(name="bare.proto", package="bare", syntax="proto3")
    file.message_type.add(name="Nothing")
    file.service.add(name="Bare").method.add(name="Do", input_type=".bare.Nothing", output_type=".bare.Nothing")
    pool = DescriptorPool()
    pool.Add(file)
    with pytest.raises(MissingScope, match=r"/bare\.Bare/Do"):
        scopes_of(pool.FindServiceByName("bare.Bare"))
