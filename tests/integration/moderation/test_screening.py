"""Screening on a real database: with the embedded model, and through the vendor's SDK in each of its failures."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import moderation_pb2 as events
from protos.events.v1 import queue_pb2 as requests
from protos.types.v1 import types_pb2 as types
from services.kit.db import transaction
from services.kit.errors import ResourceExhausted
from services.kit.ids import new_id
from services.moderation import actions, deciding, reading
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category, Override
from services.moderation.judging import FAILURES_TO_OPEN, Judge
from services.moderation.policies import Author, Policies
from services.moderation.providers.base import ProviderUnavailable, Text
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from services.moderation.tables import outbox, verdicts, waiting
from tests.support.vendors import VendorSimulator

DANGER = "i have a plan to end my life this weekend, please don't tell anybody"
HARMLESS = "Can I hand in the map project on Monday? I was at the dentist."
START = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def asked(text: str, subject: str = "Hello") -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=[subject, text])
    request.requested_at.FromDatetime(START)
    return request


@pytest.fixture
def screening(moderation_engine: AsyncEngine, embedded: Embedded) -> Callable[..., Screening]:
    def make(judge: Judge | None = None, clock: Clock | None = None) -> Screening:
        clock = clock or Clock()
        policies = Policies(moderation_engine, clock)
        conversations = Conversations(moderation_engine, clock, timedelta(minutes=30))
        outage = timedelta(seconds=60)
        return Screening(moderation_engine, judge or Judge(embedded, embedded), policies, conversations, clock, outage)

    return make


async def rows(engine: AsyncEngine, table: sa.Table) -> list[sa.RowMapping]:
    async with transaction(engine) as connection:
        return list((await connection.execute(sa.select(table))).mappings())


async def test_shadow_mode_and_phrases_of_an_exception_count_for_its_school_alone(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    phrases = Override("s1", (), (), blocked_phrases=("map project",))
    shadow = Override("s2", (), (), is_shadow=True, allowed_phrases=(DANGER,))
    worker = screening()
    current = await worker.policies.in_force()
    author = Author("ada", "Ada North", frozenset({"*"}))
    await worker.policies.update(replace(current, overrides=(phrases, shadow)), author, "A trial.")
    for school_id, text in itertools.product(("s1", "s2", "s3"), (HARMLESS, DANGER, f"{DANGER}, i will die")):
        request = asked(text)
        request.school_id = school_id
        await worker.screen([request])
    found = [row["decision"] for row in await rows(moderation_engine, verdicts)]
    assert found == ["hold", "hold", "hold", "clean", "clean", "watch", "clean", "hold", "hold"]


@pytest.mark.accepts(163, 164, 173)
async def test_a_dangerous_message_is_held_and_the_verdict_keeps_everything(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    request = asked(DANGER)
    await screening().screen([request])
    (row,) = await rows(moderation_engine, verdicts)
    assert (row["decision"], row["provider"], row["policy_version"]) == ("hold", "embedded", 1)
    assert set(row["scores"]) == set(Category)
    (event,) = await rows(moderation_engine, outbox)
    told = events.VerdictReached.FromString(event["payload"]).verdict
    assert (told.message_id, told.decision) == (request.message_id, types.Verdict.DECISION_HOLD)


@pytest.mark.parametrize(
    ("text", "carried"),
    [
        (
            "this fucking math test is so fucking hard. i don't want to be alive anymore, tonight is the last night",
            "i don't want to be alive anymore, tonight is the last night (above all: ",
        ),
        ("see you at practice. shut up you stupid idiot, everybody hates you", "stupid idiot"),
        (HARMLESS, ""),
    ],
)
async def test_a_verdict_says_what_carried_it(
    text: str, carried: str, moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    await screening().screen([asked(text)])
    (row,) = await rows(moderation_engine, verdicts)
    assert carried in row["explanation"]
    assert bool(row["explanation"]) == bool(carried) == (row["decision"] != "clean")
    assert "math" not in row["explanation"]


@pytest.mark.parametrize("told", ["", "en", "vi"])
async def test_what_the_model_cannot_read_is_watched_whatever_language_was_told(
    told: str, moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    for text in (
        "我今晚要自杀",
        "سأنتحر الليلة",
        "tối nay tôi sẽ tự tử",
        "kuv yuav tua koj tag kis tom tsev kawm ntawv",
    ):
        request = asked(text)
        request.language = told
        await screening().screen([request])
    assert "clean" not in {row["decision"] for row in await rows(moderation_engine, verdicts)}


async def test_a_threat_that_begins_in_the_subject_is_held(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    subject, body = "i am going to hurt", "sofia after the game"
    for each in (asked(body, subject), asked(HARMLESS, subject), asked(body)):
        await screening().screen([each])
    found = await rows(moderation_engine, verdicts)
    assert ["threat" in row["holds"] for row in found] == [True, False, False]
    assert found[0]["explanation"].startswith(f"{subject} {body} (above all: ")


async def test_a_blocked_phrase_that_begins_in_the_subject_is_found(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    worker = screening()
    policy = replace(await worker.policies.in_force(), blocked_phrases=("old mill",))
    await worker.policies.update(policy, Author("ada", "Ada North", frozenset({"*"})), "A trial.")
    for body in ("mill after dark", "gym after dark", f"mill after dark {'and so on ' * 400}"):
        await worker.screen([asked(body, "meet at the old")])
    assert [row["phrases"] for row in await rows(moderation_engine, verdicts)] == [["old mill"], [], ["old mill"]]


async def test_blocked_phrases_are_looked_for_beside_the_loop(
    screening: Callable[..., Screening], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long text takes a while, in which a replica that is not heard of would be given up."""
    threads = []

    def looked_for(*_: object) -> tuple[str, ...]:
        threads.append(threading.current_thread())
        return ()

    monkeypatch.setattr(reading, "phrases_in", looked_for)
    worker = screening()
    policy = replace(await worker.policies.in_force(), blocked_phrases=("old mill",))
    await worker.policies.update(policy, Author("ada", "Ada North", frozenset({"*"})), "A trial.")
    await worker.screen([asked(HARMLESS)])
    await deciding.screen_now(worker.judge, policy, asked(HARMLESS), START, None)
    assert len(threads) == 2
    assert threading.current_thread() not in threads


async def test_a_harmless_message_is_clean(moderation_engine: AsyncEngine, screening: Callable[..., Screening]) -> None:
    await screening().screen([asked(HARMLESS)])
    assert [row["decision"] for row in await rows(moderation_engine, verdicts)] == ["clean"]


@pytest.mark.accepts(172)
async def test_a_redelivered_request_changes_nothing(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    request, worker, replica = asked(DANGER), screening(), screening()
    await worker.screen([request, request])
    await replica.screen([request])
    assert len(await rows(moderation_engine, verdicts)) == 1
    assert len(await rows(moderation_engine, outbox)) == 1
    harmless = asked(HARMLESS)
    await worker.screen([harmless, harmless])
    await replica.screen([request, harmless])
    assert len(await rows(moderation_engine, verdicts)) == 2
    assert len(await rows(moderation_engine, outbox)) == 2


async def test_who_asks_again_has_not_heard_the_verdict_and_is_told_the_same_event(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    clock, request = Clock(), asked(DANGER)
    worker = screening(clock=clock)
    await worker.screen([request])
    clock.now += timedelta(minutes=6)
    await worker.screen([request])
    (judged,) = await rows(moderation_engine, verdicts)
    first, again = await rows(moderation_engine, outbox)
    assert first["payload"] == again["payload"]
    assert str(first["event_id"]) == str(again["event_id"]) == judged["verdict_id"]


@pytest.mark.accepts(166)
async def test_a_partial_answer_is_not_taken_as_clean(
    moderation_engine: AsyncEngine,
    screening: Callable[..., Screening],
    vendors: VendorSimulator,
    vendor: ModerationApi,
    embedded: Embedded,
) -> None:
    vendors.reset()
    vendors.modes(moderation={"mode": "partial"})
    await screening(Judge(vendor, embedded)).screen([asked(DANGER)])
    assert [row["decision"] for row in await rows(moderation_engine, verdicts)] == ["hold"]


@pytest.mark.accepts(167)
@pytest.mark.parametrize("mode", ["500", "429", "hang", "schema_drift"])
async def test_an_outage_holds_and_then_the_embedded_model_decides_and_says_so(
    mode: str,
    moderation_engine: AsyncEngine,
    screening: Callable[..., Screening],
    vendors: VendorSimulator,
    hasty_vendor: ModerationApi,
    embedded: Embedded,
) -> None:
    vendors.reset()
    vendors.modes(moderation={"mode": mode, "retry_after_seconds": 1})
    clock = Clock()
    worker = screening(Judge(hasty_vendor, embedded), clock)
    await worker.screen([asked(DANGER)])
    assert await rows(moderation_engine, verdicts) == []
    assert len(await rows(moderation_engine, waiting)) == 1
    clock.now += timedelta(seconds=61)
    assert await worker.measure_waiting() == 61
    assert await worker.screen_waiting() == 1
    assert await worker.measure_waiting() == 0
    (row,) = await rows(moderation_engine, verdicts)
    assert (row["decision"], row["provider"]) == ("hold", "embedded-fallback")
    assert await rows(moderation_engine, waiting) == []


@pytest.mark.accepts(167)
@pytest.mark.parametrize("mode", ["quota_exceeded", "key_refused", "400"])
async def test_the_embedded_model_decides_at_once_where_waiting_does_not_help(
    mode: str,
    moderation_engine: AsyncEngine,
    screening: Callable[..., Screening],
    vendors: VendorSimulator,
    vendor: ModerationApi,
    embedded: Embedded,
) -> None:
    vendors.modes(moderation={"mode": mode})
    await screening(Judge(vendor, embedded)).screen([asked(DANGER), asked(HARMLESS)])
    found = await rows(moderation_engine, verdicts)
    assert sorted(row["decision"] for row in found) == ["clean", "hold"]
    assert {row["provider"] for row in found} == {"embedded-fallback"}
    assert await rows(moderation_engine, waiting) == []


async def test_the_vendor_decides_when_it_is_back_in_time(
    moderation_engine: AsyncEngine,
    screening: Callable[..., Screening],
    vendors: VendorSimulator,
    vendor: ModerationApi,
    embedded: Embedded,
) -> None:
    vendors.reset()
    vendors.modes(moderation={"mode": "schema_drift"})
    clock = Clock()
    worker = screening(Judge(vendor, embedded), clock)
    await worker.screen([asked(HARMLESS)])
    vendors.reset()
    clock.now += timedelta(seconds=10)
    assert await worker.screen_waiting() == 1
    assert [row["provider"] for row in await rows(moderation_engine, verdicts)] == ["moderationapi"]


async def test_a_vendor_that_keeps_failing_is_left_alone_for_a_while(
    vendors: VendorSimulator, vendor: ModerationApi, embedded: Embedded
) -> None:
    vendors.reset()
    vendors.modes(moderation={"mode": "schema_drift"})
    judge = Judge(vendor, embedded)
    text = Text(HARMLESS, "en", "m", "a", "c")
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(ProviderUnavailable, match="schema_drift"):
            await judge.judge([text])
    with pytest.raises(ProviderUnavailable, match="circuit_open"):
        await judge.judge([text])
    assert not judge.is_available


async def test_what_is_judged_again_has_a_verdict_of_its_own_that_names_its_period(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    first = asked(DANGER)
    again = requests.ScreeningRequested()
    again.CopyFrom(first)
    again.event_id, again.rescreening_id = new_id(), new_id()
    await screening().screen([first])
    for _ in range(2):
        await screening().screen_again([again])
    found = await rows(moderation_engine, verdicts)
    assert sorted(row["is_rescreening"] for row in found) == [False, True]
    told = [events.VerdictReached.FromString(row["payload"]) for row in await rows(moderation_engine, outbox)]
    assert [each.rescreening_id for each in told] == ["", again.rescreening_id]


async def test_a_verdict_on_a_translation_names_its_language_and_is_no_first_one(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    about = asked(DANGER)
    about.translated_into = "es"
    await screening().screen([about])
    assert [row["is_rescreening"] for row in await rows(moderation_engine, verdicts)] == [True]
    told = [events.VerdictReached.FromString(row["payload"]) for row in await rows(moderation_engine, outbox)]
    assert [each.translated_into for each in told] == ["es"]


async def test_what_is_judged_again_waits_while_a_students_message_is_judged(
    screening: Callable[..., Screening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_LONGEST_TURN_SECONDS", 0.01)
    worker = screening()
    with worker.precedence.of_students(), pytest.raises(ResourceExhausted):
        await worker.screen_again([asked(HARMLESS)])
