"""Replicas of the release before work on the database as this release's migrations left it."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import utc_now
from services.kit.db import transaction
from services.kit.ids import new_id
from services.moderation import store
from services.moderation.policies import Policies

_STORE = sa.text(
    "INSERT INTO verdicts (verdict_id, screening_id, message_id, decision, scores, holds, watches, provider, model,"
    " policy_version, explanation, tier, reached_at, author_key)"
    " VALUES (:verdict_id, :screening_id, :message_id, 'clean', '{}', '{}', '{}', 'embedded', 'e1', 1, '', 0, :now,"
    " 'a1')"
)


async def test_they_store_verdicts_with_the_author_which_nobody_reads(moderation_engine: AsyncEngine) -> None:
    await Policies(moderation_engine, utc_now).in_force()
    ids = {name: new_id() for name in ("verdict_id", "screening_id", "message_id")}
    async with transaction(moderation_engine) as connection:
        await connection.execute(_STORE, {**ids, "now": datetime.now(UTC)})
        (found,) = await store.verdicts_of(connection, ids["message_id"])
    assert "author_key" not in found
