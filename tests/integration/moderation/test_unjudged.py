"""A message on which judging fails is held for a person: it neither waits for ever nor takes its neighbours along."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import moderation_pb2 as events
from protos.events.v1 import queue_pb2 as requests
from protos.types.v1 import types_pb2 as types
from services.kit.db import transaction
from services.kit.handling import Event
from services.kit.ids import new_id
from services.moderation import store
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category, Judgement
from services.moderation.events import SCREENING, Handler
from services.moderation.judging import Judge
from services.moderation.policies import Policies
from services.moderation.previewing import preview_policy
from services.moderation.providers.base import Text
from services.moderation.tables import outbox, recent_texts, verdicts, waiting

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class Stumbling:
    """A model that breaks on one word."""

    name = "embedded"

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        if any("stumble" in each.text for each in texts):
            raise ZeroDivisionError
        return [Judgement(dict.fromkeys(Category, 0.01), self.name, "stumbling-1") for _ in texts]


@pytest.fixture
def screening(moderation_engine: AsyncEngine) -> Screening:
    model = Stumbling()
    conversations = Conversations(moderation_engine, lambda: NOW, timedelta(minutes=30))
    policies = Policies(moderation_engine, lambda: NOW)
    judge = Judge(model, model)  # type: ignore[arg-type]  # it stands in for the embedded model
    return Screening(moderation_engine, judge, policies, conversations, lambda: NOW, timedelta(minutes=1))


def asked(text: str, conversation: str = "") -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(
        event_id=new_id(), message_id=new_id(), texts=["", text], conversation_key=conversation
    )
    request.requested_at.FromDatetime(NOW)
    return request


def delivered(request: requests.ScreeningRequested, attempt: int) -> Event:
    return Event(SCREENING.subjects[0], request.event_id, request.SerializeToString(), attempt)


async def rows(engine: AsyncEngine, table: sa.Table) -> list[sa.RowMapping]:
    async with transaction(engine) as connection:
        return list((await connection.execute(sa.select(table))).mappings())


@pytest.mark.accepts(166)
async def test_a_message_that_cannot_be_judged_is_held_at_the_last_attempt(
    moderation_engine: AsyncEngine, screening: Screening
) -> None:
    handle, request = Handler(screening.screen, screening.hold), asked("i stumble")
    last = SCREENING.max_attempts
    for events_ in ([delivered(request, last - 1)], [delivered(request, last), delivered(asked("hello"), last)]):
        with pytest.raises(ZeroDivisionError):
            await handle(events_)
    await handle([delivered(request, last)])
    held = next(row for row in await rows(moderation_engine, verdicts) if row["message_id"] == request.message_id)
    assert (held["decision"], held["provider"], held["scores"], held["tier"]) == ("hold", "nobody", {}, 2)
    told = [events.VerdictReached.FromString(row["payload"]) for row in await rows(moderation_engine, outbox)]
    decisions = {each.verdict.message_id: each.verdict.decision for each in told}
    assert decisions[request.message_id] == types.Verdict.DECISION_HOLD


async def test_one_that_waits_and_cannot_be_judged_is_held_and_the_others_get_their_verdicts(
    moderation_engine: AsyncEngine, screening: Screening
) -> None:
    for each in (asked("i stumble"), asked("hello")):
        async with transaction(moderation_engine) as connection:
            await store.wait(connection, store.Waiting(each.event_id, each.SerializeToString(), NOW), NOW)
    assert await screening.screen_waiting() == 2
    assert sorted(row["decision"] for row in await rows(moderation_engine, verdicts)) == ["clean", "hold"]
    assert await rows(moderation_engine, waiting) == []


async def test_the_next_messages_of_its_conversation_are_not_read_with_it(
    moderation_engine: AsyncEngine, screening: Screening
) -> None:
    first = asked("i stumble", "c")
    with pytest.raises(ZeroDivisionError):
        await screening.screen([first])
    await screening.hold(first, ZeroDivisionError())
    await screening.screen([asked("hello", "c")])
    assert sorted(row["decision"] for row in await rows(moderation_engine, verdicts)) == ["clean", "hold"]
    assert sorted(row["is_held"] for row in await rows(moderation_engine, recent_texts)) == [False, True]


async def test_a_policy_that_is_tried_holds_it_before_and_after(
    moderation_engine: AsyncEngine, screening: Screening
) -> None:
    await screening.hold(asked("i stumble"), ZeroDivisionError())
    policy = await screening.policies.in_force()
    past = store.Past(NOW - timedelta(days=30), frozenset({"*"}))
    preview = await preview_policy(moderation_engine, policy, policy, past)
    assert (preview.before.held, preview.after.held, preview.messages) == (1, 1, 1)


async def test_a_dead_letter_that_is_published_again_by_hand_is_judged_under_its_own_id(
    moderation_engine: AsyncEngine, screening: Screening
) -> None:
    request = asked("hello")
    letter = Event(SCREENING.subjects[0], "", request.SerializeToString(), 1)
    await Handler(screening.screen, screening.hold)([letter])
    assert [row["screening_id"] for row in await rows(moderation_engine, verdicts)] == [request.event_id]
