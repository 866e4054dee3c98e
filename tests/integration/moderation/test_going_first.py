"""A student's message is judged before what other systems asked earlier, by the judge that the service has."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from protos.moderation.v1 import moderation_pb2 as pb
from services.kit.db import transaction
from services.kit.errors import Unavailable
from services.kit.ids import new_id
from services.moderation import store
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category, Judgement
from services.moderation.judging import Judge
from services.moderation.policies import Policies
from services.moderation.precedence import OTHERS_AT_ONCE
from services.moderation.providers.base import ProviderUnavailable, Text
from services.moderation.providers.embedded import Embedded
from services.moderation.rpc import ModerationServicer
from services.moderation.tables import verdicts

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class Gated:
    """A provider that notes what it is asked, and answers when the gate is open."""

    name = "gated"

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.is_out = False
        self.gate, self._asked = asyncio.Event(), asyncio.Condition()

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        if self.is_out:
            raise ProviderUnavailable("unreachable")
        async with self._asked:
            self.begun.append(texts[0].content_id)
            self._asked.notify_all()
        await self.gate.wait()
        return [Judgement(dict.fromkeys(Category, 0.01), self.name, "gated-1") for _ in texts]

    async def asked(self, most: int) -> None:
        async with asyncio.timeout(20), self._asked:
            await self._asked.wait_for(lambda: len(self.begun) >= most)


def made(engine: AsyncEngine, embedded: Embedded) -> tuple[Gated, Screening]:
    provider, policies = Gated(), Policies(engine, lambda: NOW)
    conversations = Conversations(engine, lambda: NOW, timedelta())
    judge = Judge(provider, embedded)
    return provider, Screening(engine, judge, policies, conversations, lambda: NOW, timedelta(minutes=1))


def asked() -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=["Hi", "See you."])
    request.requested_at.FromDatetime(NOW)
    return request


def screened(servicer: ModerationServicer, name: str) -> asyncio.Task[pb.ScreenResponse]:
    request = pb.ScreenRequest(items=[pb.ScreenItem(item_id=name, text="See you.")])
    return asyncio.create_task(servicer.Screen(request, None))


async def test_a_student_waits_for_nothing_but_what_is_judged_already(
    moderation_engine: AsyncEngine, embedded: Embedded
) -> None:
    provider, screening = made(moderation_engine, embedded)
    await screening.policies.in_force()
    servicer, student = ModerationServicer(screening), asked()
    others = [screened(servicer, f"other {place}") for place in range(40)]
    await provider.asked(OTHERS_AT_ONCE)
    judging = asyncio.create_task(screening.screen([student]))
    await provider.asked(OTHERS_AT_ONCE + 1)
    assert provider.begun[-1] == student.message_id
    provider.gate.set()
    await judging
    await asyncio.gather(*others, return_exceptions=True)


async def test_what_waited_for_the_vendor_is_a_students_too(moderation_engine: AsyncEngine, embedded: Embedded) -> None:
    provider, screening = made(moderation_engine, embedded)
    await screening.policies.in_force()
    request = asked()
    async with transaction(moderation_engine) as connection:
        await store.wait(connection, store.Waiting(request.event_id, request.SerializeToString(), NOW), NOW)
    judging = asyncio.create_task(screening.screen_waiting())
    await provider.asked(1)
    other = screened(ModerationServicer(screening), "other")
    for _ in range(10):
        await asyncio.sleep(0)
    assert provider.begun == [request.message_id]
    provider.gate.set()
    assert await judging == 1
    assert [each.message_id for each in (await other).verdicts] == ["other"]
    assert len(provider.begun) == 2


async def test_what_is_judged_again_never_waits_for_the_vendor_among_the_students_messages(
    moderation_engine: AsyncEngine, embedded: Embedded
) -> None:
    provider, screening = made(moderation_engine, embedded)
    again, student = asked(), asked()
    again.rescreening_id = new_id()
    provider.is_out = True
    with pytest.raises(Unavailable):
        await screening.screen_again([again])
    await screening.screen([student])
    async with transaction(moderation_engine) as connection:
        waiting = await store.claim_waiting(connection, NOW + timedelta(minutes=1), 16, NOW)
    assert [each.screening_id for each in waiting] == [student.event_id]
    provider.is_out = False
    provider.gate.set()
    await screening.screen_again([again])
    async with transaction(moderation_engine) as connection:
        judged = (await connection.execute(sa.select(verdicts.c.screening_id))).scalars().all()
    assert judged == [again.event_id]
