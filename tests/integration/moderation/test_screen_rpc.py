"""What other systems of the district ask, over a real channel: order, streams, limits, deadlines, outages."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import aio
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.moderation.v1 import moderation_pb2 as pb
from protos.moderation.v1 import moderation_pb2_grpc as stubs
from protos.types.v1 import types_pb2 as types
from services.kit.errors import DeadlineExceeded, InvalidArgument, PermissionDenied, ResourceExhausted
from services.kit.health import Health
from services.kit.rpc_client import async_channel
from services.kit.rpc_errors import translated
from services.kit.rpc_server import RpcServer
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category, Judgement
from services.moderation.judging import Judge
from services.moderation.policies import Policies
from services.moderation.providers.base import ProviderUnavailable, Text
from services.moderation.providers.embedded import Embedded
from services.moderation.rpc import ModerationServicer
from tests.support.tokens import Tokens

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SERVICE = pb.DESCRIPTOR.services_by_name["ModerationService"]
DANGER = "i have a plan to end my life this weekend, please don't tell anybody"
HARMLESS = "Can I hand in the map project on Monday? I was at the dentist."


class Hanging:
    """A provider that answers so many times and then never; `began` is set when somebody asks."""

    name = "hanging"

    def __init__(self, answers: int = 0) -> None:
        self.began, self._answers = asyncio.Event(), answers

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        self.began.set()
        self._answers -= 1
        if self._answers >= 0:
            return [Judgement(dict.fromkeys(Category, 0.01), self.name, "hanging-1") for _ in texts]
        await asyncio.Event().wait()
        raise AssertionError


class Out:
    """A provider that is out."""

    name = "out"

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        raise ProviderUnavailable("unreachable")


class Running:
    """Servers of moderation, and channels to them."""

    def __init__(self, engine: AsyncEngine, embedded: Embedded, tokens: Tokens) -> None:
        self.engine, self.embedded, self.tokens = engine, embedded, tokens
        self.closers: list[Any] = []

    async def serve(self, judge: Judge | None = None) -> tuple[Screening, str]:
        """Start a server; return what is behind it, and its address."""
        policies = Policies(self.engine, lambda: NOW)
        conversations = Conversations(self.engine, lambda: NOW, timedelta())
        judge = judge or Judge(self.embedded, self.embedded)
        screening = Screening(self.engine, judge, policies, conversations, lambda: NOW, timedelta(minutes=1))
        await policies.in_force()
        server = RpcServer("127.0.0.1:0", self.tokens.verifier(), Health({}))
        server.add(stubs.add_ModerationServiceServicer_to_server, ModerationServicer(screening), SERVICE)
        await server.start()
        self.closers.append(lambda: server.stop(0))
        return screening, f"127.0.0.1:{server.port}"

    def stub(self, address: str, scope: str = "moderation.screen") -> "stubs.ModerationServiceAsyncStub":
        token = self.tokens.service(scope, name="lms")
        channel: aio.Channel = async_channel(address, [SERVICE], lambda: token, deadline_seconds=30)
        self.closers.append(channel.close)
        return stubs.ModerationServiceStub(channel)


@pytest.fixture
async def running(moderation_engine: AsyncEngine, embedded: Embedded, tokens: Tokens) -> AsyncIterator[Running]:
    up = Running(moderation_engine, embedded, tokens)
    yield up
    for close in reversed(up.closers):
        await close()


def items(*texts: str) -> list[pb.ScreenItem]:
    return [pb.ScreenItem(item_id=f"post-{place}", text=text) for place, text in enumerate(texts)]


async def test_verdicts_come_in_the_order_of_the_items(running: Running) -> None:
    _, address = await running.serve()
    answer = await running.stub(address).Screen(pb.ScreenRequest(items=items(HARMLESS, DANGER, HARMLESS)))
    assert [each.message_id for each in answer.verdicts] == ["post-0", "post-1", "post-2"]
    clean, hold = types.Verdict.DECISION_CLEAN, types.Verdict.DECISION_HOLD
    assert [each.decision for each in answer.verdicts] == [clean, hold, clean]
    assert {each.provider for each in answer.verdicts} == {"embedded"}


async def test_a_stream_answers_each_item_before_it_reads_the_next(running: Running) -> None:
    _, address = await running.serve()
    stream = running.stub(address).ScreenStream()
    for item, decision in zip(
        items(DANGER, HARMLESS), (types.Verdict.DECISION_HOLD, types.Verdict.DECISION_CLEAN), strict=True
    ):
        await stream.write(pb.ScreenStreamRequest(item=item))
        answer = await stream.read()
        assert isinstance(answer, pb.ScreenStreamResponse)
        assert (answer.verdict.message_id, answer.verdict.decision) == (item.item_id, decision)
    await stream.done_writing()
    assert await stream.read() is aio.EOF


async def test_a_token_without_the_scope_is_refused(running: Running) -> None:
    _, address = await running.serve()
    stub = running.stub(address, "moderation.read")
    with pytest.raises(PermissionDenied, match=r"moderation\.screen"), translated():
        await stub.Screen(pb.ScreenRequest(items=items(HARMLESS)))
    with pytest.raises(PermissionDenied), translated():
        await stub.ScreenStream(iter([pb.ScreenStreamRequest(item=items(HARMLESS)[0])])).read()


@pytest.mark.parametrize(
    ("wrong", "reason", "pointers"),
    [
        ([], "TOO_MANY", ["/items"]),
        (items(*["x"] * 201), "TOO_MANY", ["/items"]),
        (items(*["ж" * 25_000] * 21), "ITEMS_TOO_LARGE", ["/items"]),
        (items("x" * 25_001), "ITEM_INVALID", ["/items/0/text"]),
        ([pb.ScreenItem()], "ITEM_INVALID", ["/items/0/item_id", "/items/0/text"]),
        (
            [pb.ScreenItem(item_id="a", text="b", language="x" * 36, school_id="x" * 101, grade="x" * 21)],
            "ITEM_INVALID",
            ["/items/0/language", "/items/0/school_id", "/items/0/grade"],
        ),
    ],
)
async def test_what_is_too_much_is_refused_by_its_name(
    wrong: list[pb.ScreenItem], reason: str, pointers: list[str], running: Running
) -> None:
    _, address = await running.serve()
    with pytest.raises(InvalidArgument) as refusal, translated():
        await running.stub(address).Screen(pb.ScreenRequest(items=wrong))
    assert (refusal.value.reason, [each.pointer for each in refusal.value.violations]) == (reason, pointers)


async def test_while_students_go_first_the_caller_is_told_to_come_back(running: Running) -> None:
    screening, address = await running.serve()
    with screening.precedence.of_students(), pytest.raises(ResourceExhausted) as refusal, translated():
        await running.stub(address).Screen(pb.ScreenRequest(items=items(HARMLESS)), timeout=0.5)
    assert (refusal.value.reason, refusal.value.retry_after_seconds) == ("SCREENING_BUSY", 1)


async def test_a_replica_holds_four_hundred_items(running: Running) -> None:
    provider = Hanging()
    _, address = await running.serve(Judge(provider, running.embedded))
    stub = running.stub(address)
    holding = [stub.Screen(pb.ScreenRequest(items=items(*[HARMLESS] * 200))) for _ in range(3)]
    (refused,) = (await asyncio.wait(map(asyncio.ensure_future, holding), return_when=asyncio.FIRST_COMPLETED))[0]
    with pytest.raises(ResourceExhausted) as refusal, translated():
        refused.result()
    assert refusal.value.reason == "SCREENING_BUSY"
    for each in holding:
        each.cancel()


async def test_a_vendor_that_is_out_or_hangs_leaves_it_to_the_embedded_model(running: Running) -> None:
    for provider in (Out(), Hanging()):
        _, address = await running.serve(Judge(provider, running.embedded))
        answer = await running.stub(address).Screen(pb.ScreenRequest(items=items(DANGER)), timeout=6)
        (verdict,) = answer.verdicts
        assert (verdict.decision, verdict.provider) == (types.Verdict.DECISION_HOLD, "embedded-fallback")


async def test_items_share_the_vendors_half_of_the_time_and_the_embedded_model_judges_the_rest(
    running: Running,
) -> None:
    _, address = await running.serve(Judge(Hanging(answers=6), running.embedded))
    wanted = items(*[HARMLESS] * 20)
    answer = await running.stub(address).Screen(pb.ScreenRequest(items=wanted), timeout=6)
    assert [each.message_id for each in answer.verdicts] == [each.item_id for each in wanted]
    assert [each.provider for each in answer.verdicts] == ["hanging"] * 6 + ["embedded-fallback"] * 14


async def test_a_call_whose_time_is_over_says_so(running: Running) -> None:
    provider: Any = Hanging()
    _, address = await running.serve(Judge(provider, provider))
    with pytest.raises(DeadlineExceeded), translated():
        await running.stub(address).Screen(pb.ScreenRequest(items=items(HARMLESS)), timeout=0.5)
    assert provider.began.is_set()


async def test_a_vendor_that_hangs_fails_for_who_gave_it_time_and_for_nobody_in_a_hurry(
    embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, text = Judge(Hanging(), embedded), Text(HARMLESS, "en", "m", "a", "c")
    for _ in range(5):
        await judge.judge_within([text], 0.01)
    assert judge.is_available
    monkeypatch.setattr("services.moderation.judging._FAIR_SECONDS", 0.0)
    for _ in range(5):
        await judge.judge_within([text], 0.5)
    assert not judge.is_available
