"""A policy's phrases are tried on what students wrote: texts are handed in, read and not kept."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.moderation.v1 import moderation_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.ids import new_id
from services.moderation import rpc, trying
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Override, Policy
from services.moderation.judging import Judge
from services.moderation.messages import policy_body, policy_from_message, policy_message
from services.moderation.policies import Policies
from services.moderation.providers.base import Text
from services.moderation.providers.embedded import Embedded
from services.moderation.rpc import ModerationServicer
from tests.integration.moderation.test_policies import ADA, acting, clock, judged

SONG = "i want to kill myself"
"""What a district may allow, as the name of a song, and the model would hold."""
SUNG = f"{SONG}, see you at noon"


class Trying:
    """A servicer, the policy in force, and texts to try another one on."""

    def __init__(self, engine: AsyncEngine, embedded: Embedded) -> None:
        self.engine, self.embedded, self.policies = engine, embedded, Policies(engine, clock)
        nothing = Conversations(engine, clock, timedelta())
        self.screening = Screening(engine, Judge(embedded, embedded), self.policies, nothing, clock, timedelta())
        self.servicer = ModerationServicer(self.screening)
        self.texts: list[types.WrittenTexts] = []

    async def wrote(self, body: str, subject: str = "Hi", **verdict: Any) -> str:
        """Let a student have written this, and screening have judged it; return the message."""
        message_id = await judged(self.engine, **verdict)
        self.texts.insert(0, types.WrittenTexts(message_id=message_id, texts=[subject, body], language="en"))
        return message_id

    async def scores_of(self, body: str, subject: str = "Hi") -> dict[str, float]:
        """Return what the model that is built in says of a text."""
        texts = [Text(each, "en", "", "", "") for each in (subject, body, f"{subject}\n{body}")]
        return {name: round(s, 6) for name, s in (await self.screening.judge.judge_alone(texts)).scores.items()}

    async def tried(self, wanted: Policy, at_once: int = 100) -> pb.TryPolicyResponse:
        """Try a policy as somebody who manages it."""
        asked = pb.PreviewPolicyRequest()
        asked.policy.CopyFrom(_message(wanted))

        async def pieces() -> AsyncIterator[pb.TryPolicyRequest]:
            yield pb.TryPolicyRequest(asked=asked)
            for first in range(0, len(self.texts), at_once):
                yield pb.TryPolicyRequest(messages=self.texts[first : first + at_once])

        return await self.servicer.TryPolicy(pieces(), None)


def _message(policy: Policy) -> pb.Policy:
    row = {"version": policy.version, "author_id": "", "author_name": "", "note": "", "created_at": clock()}
    return policy_message({**row, "body": policy_body(policy)})


@pytest.fixture
async def trying_it(moderation_engine: AsyncEngine, embedded: Embedded) -> Trying:
    acting("manage_policy")
    made = Trying(moderation_engine, embedded)
    await made.policies.in_force()
    return made


@pytest.mark.accepts(304)
async def test_a_new_blocked_phrase_shows_whom_it_would_have_held_also_in_disguise(trying_it: Trying) -> None:
    plain = await trying_it.wrote("he took a shot at the goal")
    disguised = await trying_it.wrote("he took a sh0t")
    across = await trying_it.wrote("glass is full", subject="His shot")
    await trying_it.wrote("the shots were good")
    await trying_it.wrote("a shot", days_ago=31)
    await judged(trying_it.engine)
    wanted = replace(await trying_it.policies.in_force(), blocked_phrases=("shot", "shot glass"))
    found = await trying_it.tried(wanted, at_once=2)
    assert (found.preview.messages, found.tried) == (5, 4)
    assert (found.preview.before.held, found.preview.after.held, found.preview.newly_held) == (0, 3, 3)
    assert [each.message_id for each in found.preview.examples] == [across, disguised, plain]
    assert list(found.preview.examples[0].phrases) == ["shot", "shot glass"]
    assert (found.preview.untried_phrases, found.preview.untried_allowed) == (0, 0)


async def test_a_blocked_phrase_that_goes_lets_go_what_it_alone_holds(trying_it: Trying) -> None:
    current = replace(await trying_it.policies.in_force(), blocked_phrases=("old mill", "night ride"))
    current = policy_from_message(await trying_it.policies.update(current, ADA, "Theirs."))
    freed = await trying_it.wrote("meet me at the old mill", phrases=["old mill"])
    await trying_it.wrote("a night ride to the old mill", phrases=["old mill", "night ride"])
    before_it_was_blocked = await trying_it.wrote("the old mill again")
    found = (await trying_it.tried(replace(current, blocked_phrases=("night ride",)))).preview
    assert (found.before.held, found.after.held, found.newly_released) == (3, 1, 2)
    assert [each.message_id for each in found.examples] == [before_it_was_blocked, freed]
    assert list(found.examples[0].phrases) == ["old mill"]


async def test_an_allowed_phrase_moves_the_scores_that_a_message_has(trying_it: Trying) -> None:
    scores = await trying_it.scores_of(SUNG)
    released = await trying_it.wrote(SUNG, scores=scores)
    kept = await trying_it.wrote(f"{SONG}, i am going to shoot everybody at school", scores=dict.fromkeys(scores, 0.99))
    await trying_it.wrote("see you at noon")
    current = await trying_it.policies.in_force()
    wanted = replace(current, allowed_phrases=(SONG,))
    found = await trying_it.tried(wanted)
    assert (found.tried, found.with_allowed, found.judged_again) == (3, 2, 2)
    assert [each.message_id for each in found.preview.examples] == [released], "what else is said still holds it"
    assert (found.preview.before.held, found.preview.after.held) == (2, 1)
    assert kept not in {each.message_id for each in found.preview.examples}


async def test_what_is_no_longer_allowed_is_judged_with_it(trying_it: Trying) -> None:
    current = replace(await trying_it.policies.in_force(), allowed_phrases=(SONG,))
    current = policy_from_message(await trying_it.policies.update(current, ADA, "Theirs."))
    held = await trying_it.wrote(SUNG, scores=await trying_it.scores_of("  , see you at noon"))
    found = await trying_it.tried(replace(current, allowed_phrases=()))
    assert [each.message_id for each in found.preview.examples] == [held]
    assert found.preview.newly_held == 1


async def test_only_the_newest_with_an_allowed_phrase_are_judged_again(
    trying_it: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "MOST_JUDGED_AGAIN", 1)
    scores = await trying_it.scores_of(SUNG)
    messages = [await trying_it.wrote(SUNG, scores=scores) for _ in range(2)]
    current = await trying_it.policies.in_force()
    found = await trying_it.tried(replace(current, allowed_phrases=(SONG,)))
    assert (found.with_allowed, found.judged_again) == (2, 1)
    assert [each.message_id for each in found.preview.examples] == [messages[1]]
    assert found.preview.after.held == 1


async def test_what_a_phrase_holds_is_read_on_before_what_one_allows_is_judged(
    trying_it: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model takes long: of the time it has the last third, when there is something to judge."""
    monkeypatch.setattr(trying, "_AT_ONCE", 1)
    held = await trying_it.wrote("a shot", days_ago=2)
    released = await trying_it.wrote(SUNG, scores=await trying_it.scores_of(SUNG), days_ago=1)
    wanted = replace(await trying_it.policies.in_force(), blocked_phrases=("shot",), allowed_phrases=(SONG,))
    found = await trying_it.tried(wanted)
    assert [each.message_id for each in found.preview.examples] == [held, released]
    assert (found.tried, found.judged_again) == (2, 1)
    assert found.preview.examples[1].scores[0].score > 0.5, "the score for which it was withheld"
    monkeypatch.setattr(trying, "_SHARE_OF_JUDGING", 1)
    found = await trying_it.tried(wanted)
    assert (found.tried, found.with_allowed, found.preview.newly_held) == (1, 1, 0), "no time to read on"


async def test_letters_of_another_width_are_no_allowed_phrase(trying_it: Trying) -> None:
    await trying_it.wrote("ｓｅｅ you at noon…")
    found = await trying_it.tried(replace(await trying_it.policies.in_force(), allowed_phrases=("raiders",)))
    assert (found.tried, found.with_allowed) == (1, 0)


async def test_the_phrases_of_an_exception_are_tried_on_whom_it_is_for(trying_it: Trying) -> None:
    here = await trying_it.wrote("a shot", school_id="s1", grade="09")
    await trying_it.wrote("a shot", school_id="s1", grade="10")
    await trying_it.wrote("a shot", school_id="s2", grade="09")
    theirs = Override("s1", ("9",), (), blocked_phrases=("shot",))
    found = (await trying_it.tried(replace(await trying_it.policies.in_force(), overrides=(theirs,)))).preview
    assert (found.newly_held, [each.message_id for each in found.examples]) == (1, [here])


async def test_who_sees_one_school_is_told_of_its_students_alone_whatever_texts_come(trying_it: Trying) -> None:
    here = await trying_it.wrote("a shot", school_id="s1")
    await trying_it.wrote("a shot", school_id="s2")
    acting("manage_policy", schools=frozenset({"s1"}))
    found = await trying_it.tried(replace(await trying_it.policies.in_force(), blocked_phrases=("shot",)))
    assert (found.preview.messages, found.tried, found.preview.newly_held) == (1, 1, 1)
    assert [each.message_id for each in found.preview.examples] == [here]


async def test_no_more_are_tried_than_the_newest_and_the_scores_of_the_others_count(
    trying_it: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "MOST_TRIED", 2)
    await trying_it.wrote("a shot", phrases=["old mill"])
    newest = [await trying_it.wrote("a shot") for _ in range(2)]
    wanted = replace(await trying_it.policies.in_force(), blocked_phrases=("shot", "old mill"))
    found = await trying_it.tried(wanted)
    assert (found.preview.messages, found.tried, found.preview.newly_held) == (3, 2, 3)
    assert [each.message_id for each in found.preview.examples][:2] == newest[::-1]


async def test_without_texts_or_time_the_scores_are_told_and_that_phrases_were_not_tried(
    trying_it: Trying, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = replace(await trying_it.policies.in_force(), blocked_phrases=("shot",), allowed_phrases=("raiders",))
    await trying_it.wrote("a shot")
    texts, trying_it.texts = trying_it.texts, []
    found = await trying_it.tried(wanted)
    assert (found.preview.messages, found.tried, found.preview.untried_phrases, found.preview.untried_allowed) == (
        1, 0, 1, 1,
    )  # fmt: skip
    trying_it.texts = texts
    monkeypatch.setattr(rpc, "_LONGEST_TRIAL_SECONDS", 0.0)
    assert (await trying_it.tried(wanted)).tried == 0


async def test_students_messages_go_first(trying_it: Trying, monkeypatch: pytest.MonkeyPatch) -> None:
    await trying_it.wrote("a shot")
    wanted = replace(await trying_it.policies.in_force(), blocked_phrases=("shot",))
    with trying_it.screening.precedence.of_students():
        waiting = asyncio.create_task(trying_it.tried(wanted))
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
    assert (await waiting).tried == 1
    monkeypatch.setattr(rpc, "_LONGEST_TRIAL_SECONDS", 0.1)
    with trying_it.screening.precedence.of_students():
        assert (await trying_it.tried(wanted)).tried == 0, "it waits no longer than it has time"


async def test_what_is_sent_is_checked_and_only_who_manages_the_policy_tries_it(
    trying_it: Trying,
) -> None:
    wanted = replace(await trying_it.policies.in_force(), blocked_phrases=("shot",))
    trying_it.texts = [types.WrittenTexts(message_id=new_id(), texts=["a shot"])]
    assert (await trying_it.tried(wanted)).tried == 0, "nobody knows this message here"
    trying_it.texts *= 101
    with pytest.raises(InvalidArgument):
        await trying_it.tried(wanted, at_once=101)
    trying_it.texts = [types.WrittenTexts(message_id="x")]
    with pytest.raises(InvalidArgument):
        await trying_it.tried(wanted)
    acting("view_all_users")
    with pytest.raises(PermissionDenied):
        await trying_it.tried(wanted)
