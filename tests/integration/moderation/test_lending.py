"""Processes that lend their model add what they can; without them, and when one fails, replicas judge as ever."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from nats.aio.msg import Msg
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from services.kit.bus import Bus
from services.kit.clock import utc_now
from services.kit.db import transaction
from services.kit.ids import new_id
from services.moderation import borrowing, loans
from services.moderation.actions import Screening
from services.moderation.borrowing import Borrowing
from services.moderation.conversing import Conversations
from services.moderation.judging import Judge
from services.moderation.lending import Lender
from services.moderation.model.scoring import Scores, load_model
from services.moderation.policies import Policies
from services.moderation.providers.base import Text
from services.moderation.providers.embedded import Embedded
from services.moderation.tables import verdicts
from tests.support.eventually import eventually

MODEL = load_model().version
MESSAGES = 24
Moved = Callable[..., Callable[[], float]]


def asked(number: int) -> requests.ScreeningRequested:
    said = f"You are an idiot, number {number}." if number % 2 else f"See you at {number}."
    request = requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=[said], language="en")
    request.requested_at.FromDatetime(utc_now())
    return request


class Slow:
    """The model, which judges only once it may."""

    version = MODEL

    def __init__(self) -> None:
        self.free = threading.Event()

    def score(self, text: str, lang: str | None) -> Scores:
        self.free.wait(120)
        return load_model().score(text, lang)


@pytest.fixture
async def bus(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """The replica's connection; answers may take as long as a busy machine needs."""
    monkeypatch.setattr(borrowing, "_LONGEST_SECONDS", 30.0)
    made = Bus(nats_url, name="replica")
    await made.connect()
    yield made
    await made.close()


@pytest.fixture
def screening(moderation_engine: AsyncEngine, bus: Bus) -> Screening:
    """A replica that borrows."""
    nothing = Conversations(moderation_engine, utc_now, timedelta())
    embedded = Embedded(load_model(), Borrowing(bus.client, MODEL))
    policies = Policies(moderation_engine, utc_now)
    return Screening(moderation_engine, Judge(embedded, embedded), policies, nothing, utc_now, timedelta(seconds=60))


@asynccontextmanager
async def lent(url: str, embedded: Embedded) -> AsyncIterator[None]:
    """Lend a model of this process."""
    bus = Bus(url, name="lender")
    lender = Lender(bus, embedded)
    await lender.run()
    await lender.check()
    try:
        yield
    finally:
        await lender.stop()
        await bus.close()


@asynccontextmanager
async def answered(bus: Bus, answer: Callable[[Msg], Awaitable[None]]) -> AsyncIterator[None]:
    """Answer what is asked of those who lend."""
    subscription = await bus.client.subscribe(loans.subject_of(MODEL), cb=answer)
    await bus.client.flush()
    try:
        yield
    finally:
        await subscription.unsubscribe()


async def all_are_right(engine: AsyncEngine, wanted: Sequence[requests.ScreeningRequested]) -> None:
    """Each message has one verdict, with the scores of the model of this process."""
    async with transaction(engine) as connection:
        rows = (await connection.execute(sa.select(verdicts))).mappings().all()
    assert sorted(row["message_id"] for row in rows) == sorted(each.message_id for each in wanted)
    texts = {each.message_id: each.texts[0] for each in wanted}
    for row in rows:
        own = load_model().score(texts[row["message_id"]], "en")
        assert row["scores"] == pytest.approx(own.as_dict(), abs=1e-4)
        assert (row["provider"], row["model"]) == ("embedded", MODEL)


async def test_what_is_lent_is_judged_elsewhere_with_the_same_scores(
    screening: Screening, moderation_engine: AsyncEngine, nats_url: str, moved: Moved
) -> None:
    judged, done = moved("lantern.moderation.borrowed", outcome="judged"), moved("lantern.moderation.lent")
    wanted = [asked(number) for number in range(MESSAGES)]
    async with lent(nats_url, Embedded(load_model())):
        await screening.screen(wanted)
    await all_are_right(moderation_engine, wanted)
    assert judged() == done() >= 1


async def test_the_answers_of_who_lends_are_what_counts(bus: Bus, nats_url: str) -> None:
    """The replica's own thread stands still: whatever is judged was judged elsewhere."""
    own = Slow()
    embedded = Embedded(own, Borrowing(bus.client, MODEL))  # type: ignore[arg-type]  # the model, only slower
    texts = [[Text(f"See you at {number}.", "en", "", "", "")] for number in range(MESSAGES)]
    async with lent(nats_url, Embedded(load_model())):
        judging = [asyncio.create_task(embedded.judge(each)) for each in texts]

        async def many_are_judged() -> None:
            assert sum(each.done() for each in judging) >= 5

        await eventually(many_are_judged, 60)
        own.free.set()
        assert len(await asyncio.gather(*judging)) == MESSAGES


async def test_what_is_judged_nowhere_else_in_time_is_taken_back(screening: Screening, bus: Bus) -> None:
    """Its answer would be waited for half a minute here."""
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    texts = [Text("See you at four.", "en", "", "", "")]
    async with answered(bus, hear):
        async with asyncio.timeout(25):
            judged = await asyncio.gather(*(screening.judge.judge(texts) for _ in range(8)))
        assert (len(judged), len(heard)) == (8, 1)


async def test_where_nobody_lends_a_replica_judges_all_itself_and_does_not_ask_for_each(
    screening: Screening, moderation_engine: AsyncEngine, moved: Moved, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(borrowing, "_REST_SECONDS", 600.0)
    every, none = moved("lantern.moderation.borrowed"), moved("lantern.moderation.borrowed", outcome="none")
    wanted = [asked(number) for number in range(MESSAGES)]
    await screening.screen(wanted)
    await all_are_right(moderation_engine, wanted)
    assert every() == none() == 1


async def _says_nothing(message: Msg) -> None:
    await message.respond(b"")


async def _has_another_model(message: Msg) -> None:
    judged = await Embedded(load_model()).judge(loans.texts_of(message.data))
    await message.respond(loans.reply_of(judged, "lantern-other"))


@pytest.mark.parametrize("answer", [_says_nothing, _has_another_model])
async def test_a_wrong_answer_is_not_taken_and_its_text_is_judged_here(
    answer: Callable[[Msg], Awaitable[None]],
    screening: Screening,
    bus: Bus,
    moderation_engine: AsyncEngine,
    moved: Moved,
) -> None:
    wrong, judged = (moved("lantern.moderation.borrowed", outcome=each) for each in ("wrong", "judged"))
    wanted = [asked(number) for number in range(MESSAGES)]
    async with answered(bus, answer):
        await screening.screen(wanted)
    await all_are_right(moderation_engine, wanted)
    assert (wrong() >= 1, judged()) == (True, 0)


async def test_one_who_has_enough_to_do_says_so_at_once_and_the_text_is_judged_here(
    screening: Screening, bus: Bus, moderation_engine: AsyncEngine, moved: Moved, nats_url: str
) -> None:
    slow = Slow()
    busy = moved("lantern.moderation.borrowed", outcome="busy")
    wanted = [asked(number) for number in range(MESSAGES)]
    async with lent(nats_url, Embedded(slow)):  # type: ignore[arg-type]  # the model, only slower
        asking = loans.request_of([Text("Hello", "en", "", "", "")])
        subject = loans.subject_of(MODEL)
        others = [asyncio.create_task(bus.client.request(subject, asking, timeout=60)) for _ in range(3)]
        first, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert [each.result().data for each in first] == [loans.busy_reply()], "two are at work, the third is told"
        await screening.screen(wanted)
        await all_are_right(moderation_engine, wanted)
        slow.free.set()
        replies = [(await each).data for each in others if each not in first]
    assert [len(loans.judgements_of(each, 1, MODEL)) for each in replies] == [1, 1]
    assert busy() >= 1


async def test_long_texts_are_not_lent(screening: Screening, bus: Bus) -> None:
    heard: list[int] = []

    async def answer(message: Msg) -> None:
        heard.append(len(loans.texts_of(message.data)))
        await message.respond(loans.busy_reply())

    long = Text("See you at four. " * 300, "en", "", "", "")
    short = [Text("See you at four.", "en", "", "", "")]
    async with answered(bus, answer):
        await asyncio.gather(*(screening.judge.judge([long]) for _ in range(4)), screening.judge.judge(short))
    assert heard == [1]


async def test_whoever_gives_up_waiting_takes_nobodys_time(embedded: Embedded) -> None:
    texts = [Text("See you at four.", "en", "", "", "")]
    waiting = [asyncio.create_task(embedded.judge(texts)) for _ in range(8)]
    await asyncio.sleep(0)
    for each in waiting[:6]:
        each.cancel()
    assert [len(await each) for each in waiting[6:]] == [1, 1]
    assert await asyncio.gather(*waiting[:6], return_exceptions=True)
    assert len(await embedded.judge(texts)) == 1


async def test_a_text_on_which_the_model_fails_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    embedded = Embedded(load_model())
    judge = embedded._judge

    def failing(text: Text) -> object:
        if text.text == "broken":
            raise ZeroDivisionError
        return judge(text)

    monkeypatch.setattr(embedded, "_judge", failing)
    texts = [[Text(said, "en", "", "", "")] for said in ("broken", "fine", "broken", "fine")]
    found = await asyncio.gather(*(embedded.judge(each) for each in texts), return_exceptions=True)
    assert [isinstance(each, ZeroDivisionError) for each in found] == [True, False, True, False]
