"""Messages are read together with the sender's others to the same people, and repeated low scores are noticed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from services.kit.db import transaction
from services.kit.ids import new_id
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category, Explanation, Judgement, Policy
from services.moderation.judging import Judge
from services.moderation.policies import Policies
from services.moderation.providers.base import Provider, Text
from services.moderation.providers.embedded import Embedded
from services.moderation.reading import said_in
from services.moderation.tables import recent_texts, verdicts

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
PARTS = ("meet me where", "the old", "mill is")
WHOLE = "meet me where the old mill is"


class Fixed:
    """A provider that knows one sentence, so that these tests do not change with the model."""

    name = "fixed"

    async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
        return [self._judge(text) for text in texts]

    def _judge(self, text: Text) -> Judgement:
        scores = dict.fromkeys(Category, 0.01)
        if WHOLE in text.text or "the plan is to end it" in text.text:
            scores[Category.THREAT] = 0.99
        if "such an ass" in text.text:
            scores[Category.PROFANITY] = 0.99
        return Judgement(scores, self.name, "fixed-1", dict.fromkeys(Category, Explanation(text.text)))


def asked(
    text: str, minutes: float = 0, people: str = "them", author: str = "someone", subject: str = "Hello"
) -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(
        event_id=new_id(),
        message_id=new_id(),
        texts=[subject, text],
        author_key=author,
        conversation_key=people,
        language="en",
    )
    request.requested_at.FromDatetime(NOW + timedelta(minutes=minutes))
    return request


@pytest.fixture
def screening(moderation_engine: AsyncEngine, embedded: Embedded) -> Callable[..., Screening]:
    def make(minutes: int = 30, now: datetime = NOW, provider: Provider | None = None) -> Screening:
        conversations = Conversations(moderation_engine, lambda: now, timedelta(minutes=minutes))
        policies = Policies(moderation_engine, lambda: now)
        judge = Judge(provider or Fixed(), embedded)
        return Screening(moderation_engine, judge, policies, conversations, lambda: now, timedelta(minutes=1))

    return make


async def decisions(engine: AsyncEngine) -> dict[str, tuple[str, int]]:
    """Return the decision on each message, and how many others it was read with."""
    async with transaction(engine) as connection:
        rows = (await connection.execute(sa.select(verdicts))).mappings()
        return {row["message_id"]: (row["decision"], row["context_messages"]) for row in rows}


async def test_a_message_split_over_several_is_caught(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    sent = [asked(text, minutes) for minutes, text in enumerate(PARTS)]
    for each in sent:
        await screening().screen([each])
    found = await decisions(moderation_engine)
    assert found[sent[0].message_id] == ("clean", 0)
    assert found[sent[-1].message_id] == ("hold", 2)
    async with transaction(moderation_engine) as connection:
        query = sa.select(verdicts.c.explanation).where(verdicts.c.message_id == sent[-1].message_id)
        explained = (await connection.execute(query)).scalar_one()
    assert explained == f"Read together with 2 messages around it: {PARTS[-1]}", "others' words are not kept with it"


async def test_one_that_is_split_over_subjects_is_caught(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    sent = [asked("see you", minutes, subject=subject) for minutes, subject in enumerate(PARTS)]
    sent += [asked("the old", 40, subject="meet me where"), asked("see you", 41, subject="mill is")]
    for each in sent:
        await screening().screen([each])
    found = await decisions(moderation_engine)
    assert [found[each.message_id] for each in sent] == [
        ("clean", 0),
        ("clean", 0),
        ("hold", 2),
        ("clean", 0),
        ("hold", 1),
    ]


@pytest.mark.parametrize(
    "parts", [("i have the rope", "and tonight", "is the night"), ("i swear i", "will end", "you after lunch")]
)
async def test_the_embedded_model_reads_what_is_split(
    parts: tuple[str, ...], moderation_engine: AsyncEngine, embedded: Embedded, screening: Callable[..., Screening]
) -> None:
    worker = screening(provider=embedded)
    bodies = [asked(text, minutes) for minutes, text in enumerate(parts)]
    subjects = [asked("ok", minutes, "others", subject=text) for minutes, text in enumerate(parts)]
    for each in bodies + subjects:
        await worker.screen([each])
    found = await decisions(moderation_engine)
    assert [found[each[-1].message_id][0] for each in (bodies, subjects)] == ["hold", "hold"]


async def test_parts_that_arrive_out_of_order_are_caught_too(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    sent = [asked(text, minutes) for minutes, text in enumerate(PARTS)]
    for each in reversed(sent):
        await screening().screen([each])
    assert "hold" in {decision for decision, _ in (await decisions(moderation_engine)).values()}


@pytest.mark.parametrize(("minutes", "people"), [(31, "them"), (0, "others")])
async def test_what_was_said_long_ago_or_to_others_does_not_count(
    minutes: int, people: str, moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    await screening().screen([asked("meet me where the old", -minutes, people)])
    last = asked("mill is")
    await screening().screen([last])
    assert (await decisions(moderation_engine))[last.message_id] == ("clean", 0)


async def test_a_withheld_message_does_not_condemn_the_harmless_one_after_it(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    await screening().screen([asked("the plan is to end it")])
    harmless = asked("Can I hand in the map project on Monday?", 2)
    await screening().screen([harmless])
    assert (await decisions(moderation_engine))[harmless.message_id] == ("clean", 0)


async def test_nor_does_one_that_is_being_judged_at_the_same_time(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    worker, danger = screening(), asked("the plan is to end it")
    policy = await worker.policies.in_force()
    await worker.conversations.together(danger, said_in(danger, policy))
    harmless = asked("Can I hand in the map project on Monday?", 0.01)
    await worker.screen([harmless])
    assert (await decisions(moderation_engine))[harmless.message_id] == ("clean", 0)
    split = [asked(text, 0.02 + place / 100) for place, text in enumerate(PARTS)]
    for each in split:
        await worker.screen([each])
    assert (await decisions(moderation_engine))[split[-1].message_id] == ("hold", 3)


async def test_nor_does_one_that_is_only_noted_or_in_another_language(
    moderation_engine: AsyncEngine, embedded: Embedded, screening: Callable[..., Screening]
) -> None:
    fixed, embedding = screening(), screening(provider=embedded)
    for worker in (fixed, embedding):
        await note_profanity(worker)
    said = ["he is such an ass", "Can I hand in the map project on Monday?", "Did you get the notes from history?"]
    foreign = "Chiều nay chúng ta gặp nhau ở thư viện sau giờ học nhé, nhớ mang theo sách"
    sent = {
        "fixed": (fixed, [asked(text, minutes, "fixed") for minutes, text in enumerate(said)]),
        "embedded": (embedding, [asked(text, minutes, "embedded") for minutes, text in enumerate(said)]),
        "foreign": (embedding, [asked(text, minutes, "foreign") for minutes, text in enumerate([foreign, *said[1:]])]),
    }
    for worker, each in sent.values():
        for request in each:
            await worker.screen([request])
    found = await decisions(moderation_engine)
    noted = {name: [found[request.message_id] for request in each] for name, (_, each) in sent.items()}
    assert noted == {name: [("watch", 0), ("clean", 0), ("clean", 0)] for name in sent}


async def test_what_is_noted_counts_where_it_is_split_into_something_graver(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    worker = screening()
    await note_profanity(worker)
    sent = [asked("he is such an ass, meet me where the old"), asked("mill is", 1)]
    for each in sent:
        await worker.screen([each])
    found = await decisions(moderation_engine)
    assert [found[each.message_id] for each in sent] == [("watch", 0), ("hold", 1)]


async def note_profanity(worker: Screening) -> None:
    """Let profanity and what goes with it hold nothing."""
    policy = await worker.policies.in_force()
    watched = {Category.PROFANITY, Category.TOXICITY, Category.INSULT}
    rules = (replace(one, hold_threshold=1.0) if one.category in watched else one for one in policy.rules)
    noting = replace(policy, rules=tuple(rules))

    async def in_force() -> Policy:
        return noting

    worker.policies.in_force = in_force  # type: ignore[method-assign]


async def test_texts_are_gone_when_their_time_is_over_and_none_is_kept_when_it_is_switched_off(
    moderation_engine: AsyncEngine, screening: Callable[..., Screening]
) -> None:
    async def kept() -> int:
        async with transaction(moderation_engine) as connection:
            return int((await connection.execute(sa.select(sa.func.count()).select_from(recent_texts))).scalar_one())

    await screening(minutes=0).screen([asked(PARTS[0])])
    assert await kept() == 0
    await screening().screen([asked(PARTS[0])])
    assert await kept() == 1
    assert await screening().conversations.forget(NOW + timedelta(minutes=29)) == 0
    assert await screening().conversations.forget(NOW + timedelta(minutes=30)) == 1
    assert await kept() == 0
