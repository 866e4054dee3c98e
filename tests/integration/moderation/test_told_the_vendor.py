"""What leaves for the vendor: the texts, pseudonyms and the embedded model's verdict; and what of that comes back."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from protos.moderation.v1 import moderation_pb2 as pb
from services.kit.clock import utc_now
from services.kit.db import transaction
from services.kit.ids import new_id
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.domain import Category
from services.moderation.judging import Judge
from services.moderation.policies import Policies
from services.moderation.providers.base import Text
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from services.moderation.rpc import ModerationServicer
from services.moderation.tables import verdicts
from tests.support.vendors import VendorSimulator

DANGER = "i have a plan to end my life this weekend, please don't tell anybody"
HARMLESS = "Can I hand in the map project on Monday? I was at the dentist."


def asked(*texts: str) -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(
        event_id=new_id(), message_id=new_id(), texts=texts, author_key="5f" * 16, conversation_key="c0" * 16
    )
    request.school_id, request.grade, request.language = "school-of-the-sender", "grade-of-the-sender", "en"
    request.requested_at.FromDatetime(datetime.now(UTC))
    return request


@pytest.fixture
def screening(moderation_engine: AsyncEngine, embedded: Embedded, vendor: ModerationApi) -> Screening:
    conversations = Conversations(moderation_engine, utc_now, timedelta(minutes=30))
    policies, judge = Policies(moderation_engine, utc_now), Judge(vendor, embedded)
    return Screening(moderation_engine, judge, policies, conversations, utc_now, timedelta(seconds=60))


@pytest.fixture
def bodies(vendors: VendorSimulator) -> Callable[[], list[dict[str, Any]]]:
    return lambda: list(vendors.get("/control/moderated")["bodies"])


async def verdict(engine: AsyncEngine) -> sa.RowMapping:
    async with transaction(engine) as connection:
        return (await connection.execute(sa.select(verdicts))).mappings().one()


@pytest.mark.accepts(163, 175)
async def test_the_text_and_pseudonyms_leave_and_nothing_else(
    moderation_engine: AsyncEngine, screening: Screening, bodies: Callable[[], list[dict[str, Any]]]
) -> None:
    request = asked("Map project", HARMLESS)
    await screening.screen([request])
    allowed = {"action": "allow", "behavior": "escalate", "source": "embedded model", "reason": "nothing found"}
    same = {
        "contentId": request.message_id,
        "authorId": request.author_key,
        "conversationId": request.conversation_key,
        "metaType": "message",
        "doNotStore": True,
        "clientAction": allowed,
    }
    read = ["Map project", HARMLESS, f"Map project\n{HARMLESS}"]
    wanted = [{**same, "content": {"type": "text", "text": text}} for text in read]
    assert sorted(bodies(), key=json.dumps) == sorted(wanted, key=json.dumps)
    assert "of-the-sender" not in json.dumps(bodies())
    row = await verdict(moderation_engine)
    assert row["provider"] == "moderationapi"
    assert set(row["scores"]) == set(Category), "what the vendor leaves out is judged by the embedded model"


@pytest.mark.accepts(175)
async def test_of_another_systems_item_its_own_id_does_not_leave(
    screening: Screening, bodies: Callable[[], list[dict[str, Any]]]
) -> None:
    item = pb.ScreenItem(item_id="amy.smith/bio-2/17", text=HARMLESS, school_id="school-of-the-sender")
    answer = await ModerationServicer(screening).Screen(pb.ScreenRequest(items=[item]), None)
    assert [each.message_id for each in answer.verdicts] == [item.item_id]
    (body,) = bodies()
    assert uuid.UUID(body["contentId"])
    assert not any(word in json.dumps(body) for word in ("amy", "bio-2", "of-the-sender"))


async def test_what_nobody_is_known_to_have_written_names_no_author(
    screening: Screening, bodies: Callable[[], list[dict[str, Any]]]
) -> None:
    request = asked(HARMLESS)
    request.author_key = request.conversation_key = ""
    await screening.screen([request])
    assert {"authorId", "conversationId"}.isdisjoint(bodies()[0])


async def test_the_embedded_verdict_is_handed_in_and_explains_what_the_vendor_finds(
    moderation_engine: AsyncEngine, screening: Screening, bodies: Callable[[], list[dict[str, Any]]]
) -> None:
    await screening.screen([asked("Hello", DANGER + " sim:self_harm_intent=0.97")])
    actions = [each["clientAction"] for each in bodies()]
    assert {action["action"] for action in actions} == {"allow", "reject"}
    handed_in, *_ = (each for each in actions if each["action"] == "reject")
    assert "self_harm" in handed_in["reason"]
    row = await verdict(moderation_engine)
    assert (row["provider"], row["decision"]) == ("moderationapi", "hold")
    assert "end my life" in row["explanation"]


async def test_the_verdict_that_is_handed_in_is_that_of_the_districts_policy(
    moderation_engine: AsyncEngine, screening: Screening, bodies: Callable[[], list[dict[str, Any]]]
) -> None:
    await screening.policies.in_force()
    async with transaction(moderation_engine) as connection:
        await connection.execute(sa.text("UPDATE policies SET body = jsonb_set(body, '{is_shadow}', 'true')"))
    screening.policies = Policies(moderation_engine, utc_now)
    await screening.screen([asked(DANGER)])
    assert bodies()[0]["clientAction"]["action"] == "review"


@pytest.mark.parametrize("text", ["aSBhbSBnb2luZyB0byBraWxsIG15c2VsZg==", "我今晚要自杀"])
async def test_what_the_embedded_model_cannot_read_is_watched_whatever_the_vendor_says(
    text: str, moderation_engine: AsyncEngine, screening: Screening
) -> None:
    """A person reads it: that the vendor found nothing may mean that it did not understand it either."""
    await screening.screen([asked(text)])
    row = await verdict(moderation_engine)
    assert (row["provider"], row["decision"], row["is_uncertain"]) == ("moderationapi", "watch", True)


async def test_the_embedded_model_scores_what_the_vendor_leaves_out_and_nothing_else(
    moderation_engine: AsyncEngine, screening: Screening, vendors: VendorSimulator, embedded: Embedded
) -> None:
    text = "i will stab anna at lunch tomorrow sim:threat=0.02 sim:violence=0.03"
    (own,) = await embedded.judge([Text(text, "en", "", "", "")])
    assert own.scores[Category.THREAT] > 0.9
    vendors.modes(moderation={"mode": "partial"})
    await screening.screen([asked(text)])
    row = await verdict(moderation_engine)
    assert (row["scores"]["threat"], row["scores"]["violence"]) == (0.02, 0.03)
    assert row["scores"]["self_harm"] == pytest.approx(own.scores[Category.SELF_HARM])
    assert row["model"] == f"moderationapi-2+{own.model}"


@pytest.mark.accepts(166)
async def test_what_only_the_embedded_model_would_hold_is_noted_and_the_scores_stay_the_vendors(
    moderation_engine: AsyncEngine, screening: Screening
) -> None:
    await screening.screen([asked("i will stab anna at lunch tomorrow sim:threat=0.02 sim:violence=0.03")])
    row = await verdict(moderation_engine)
    assert (row["provider"], row["decision"], row["holds"]) == ("moderationapi", "watch", [])
    assert "threat" in row["watches"]
    assert (row["scores"]["threat"], row["scores"]["violence"]) == (0.02, 0.03)
    assert "stab anna" in row["explanation"]
    assert row["is_uncertain"], "a policy that is tried notes it as well"


@pytest.mark.accepts(166)
async def test_in_a_language_that_the_vendor_does_not_name_the_embedded_model_holds(
    moderation_engine: AsyncEngine, screening: Screening, embedded: Embedded
) -> None:
    text = "mwen pral touye tèt mwen aswè a"
    (own,) = await embedded.judge([Text(text, "ht", "", "", "")])
    await screening.screen([asked(text)])
    row = await verdict(moderation_engine)
    assert (row["provider"], row["decision"]) == ("moderationapi", "hold")
    assert row["scores"]["self_harm"] == pytest.approx(own.scores[Category.SELF_HARM])
    assert row["model"] == f"moderationapi-2+{own.model}"
