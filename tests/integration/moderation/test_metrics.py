"""Latency, provider errors, held messages, the backlog and the drift show in the metrics."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import queue_pb2 as requests
from services.kit.clock import utc_now
from services.kit.db import transaction
from services.kit.ids import new_id
from services.moderation.actions import Screening
from services.moderation.conversing import Conversations
from services.moderation.judging import Judge
from services.moderation.policies import Policies
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from services.moderation.tables import verdicts, waiting
from tests.integration.moderation.measured import Measured
from tests.support.vendors import VendorSimulator

DANGER = "i have a plan to end my life this weekend, please don't tell anybody sim:self_harm_intent=0.97"


def asked(text: str, seconds_ago: float) -> requests.ScreeningRequested:
    request = requests.ScreeningRequested(event_id=new_id(), message_id=new_id(), texts=[text], language="en")
    request.requested_at.FromDatetime(utc_now() - timedelta(seconds=seconds_ago))
    return request


@pytest.fixture
def screening(moderation_engine: AsyncEngine, vendor: ModerationApi, embedded: Embedded) -> Screening:
    nothing = Conversations(moderation_engine, utc_now, timedelta())
    policies, judge = Policies(moderation_engine, utc_now), Judge(vendor, embedded)
    return Screening(moderation_engine, judge, policies, nothing, utc_now, timedelta(seconds=60))


async def test_a_verdict_moves_the_latency_and_what_is_held(
    screening: Screening, moved: Callable[..., Callable[[], float]]
) -> None:
    latency = moved("lantern.moderation.verdict.latency", provider="moderationapi")
    reached = moved("lantern.moderation.verdicts", provider="moderationapi", decision="hold")
    held = moved("lantern.moderation.held", category="self_harm_intent")
    scored = moved("lantern.moderation.scores", category="insult")
    await screening.screen([asked(DANGER, 1), asked("See you at four.", 1)])
    assert [latency(), reached(), held(), scored()] == [2, 1, 1, 2]


async def test_what_is_judged_again_moves_neither_latency_nor_drift_nor_rates(
    screening: Screening, moved: Callable[..., Callable[[], float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    monkeypatch.setattr(screening.drifts, "note", lambda provider, *_: noted.append(provider))
    latency, held = moved("lantern.moderation.verdict.latency"), moved("lantern.moderation.held")
    scored = moved("lantern.moderation.scores")
    again, first = (moved("lantern.moderation.verdicts", asked=when) for when in ("again", "first"))
    old = asked(DANGER, 90 * 86400)
    old.rescreening_id = new_id()
    await screening.screen_again([old])
    assert [latency(), held(), scored(), again(), first(), len(noted)] == [0, 0, 0, 1, 0, 0]
    await screening.screen([asked(DANGER, 1)])
    assert [latency(), again(), first(), len(noted)] == [1, 1, 1, 1]


@pytest.mark.accepts(167)
async def test_an_outage_moves_the_errors_and_the_backlog(
    screening: Screening,
    vendors: VendorSimulator,
    measured: Measured,
    moved: Callable[..., Callable[[], float]],
) -> None:
    errors = moved("lantern.moderation.provider.errors", **{"provider": "moderationapi", "error.type": "schema_drift"})
    replaced = moved("lantern.moderation.verdicts", provider="embedded-fallback")
    vendors.modes(moderation={"mode": "schema_drift"})
    await screening.screen([asked("See you at four.", 90)])
    await screening.measure_waiting()
    assert errors() == 1
    assert 90 <= measured("lantern.moderation.backlog.age") < 150
    async with transaction(screening.engine) as connection:
        await connection.execute(sa.text("UPDATE waiting SET next_try_at = now()"))
    assert await screening.screen_waiting() == 1
    await screening.measure_waiting()
    assert measured("lantern.moderation.backlog.age") == 0
    assert [errors(), replaced()] == [2, 1]


@pytest.mark.accepts(166)
async def test_what_the_vendor_leaves_out_moves_what_the_embedded_model_fills_and_the_errors(
    screening: Screening, vendors: VendorSimulator, moved: Callable[..., Callable[[], float]]
) -> None:
    partial = moved("lantern.moderation.provider.errors", **{"provider": "moderationapi", "error.type": "partial"})
    filled = moved("lantern.moderation.filled", category="self_harm")
    others = moved("lantern.moderation.filled", category="threat")
    await screening.screen([asked("See you at four.", 1)])
    assert [partial(), filled(), others()] == [0, 0, 0]
    vendors.modes(moderation={"mode": "partial"})
    await screening.screen([asked("See you at four.", 1)])
    assert [partial(), filled(), others()] == [1, 1, 0]


@pytest.mark.accepts(166, 167)
async def test_an_answer_without_one_policy_that_we_know_is_a_failure_and_its_names_are_logged_once(
    screening: Screening,
    vendors: VendorSimulator,
    moved: Callable[..., Callable[[], float]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    errors = moved("lantern.moderation.provider.errors", **{"provider": "moderationapi", "error.type": "schema_drift"})
    vendors.modes(moderation={"mode": "renamed"})
    await screening.screen([asked("See you at four.", 1), asked("See you at five.", 1)])
    assert errors() == 2
    async with transaction(screening.engine) as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(waiting))).scalar_one() == 2
    assert capsys.readouterr().out.count("policy=new_violence") == 1


async def test_the_vendors_drift_is_measured_against_what_it_gave_over_a_week_ago(
    screening: Screening, measured: Measured
) -> None:
    await screening.screen([asked("See you at four.", 0)])
    async with transaction(screening.engine) as connection:
        (row,) = (await connection.execute(sa.select(verdicts))).mappings()
        for days, often in ((10, 600), (3, 600)):
            at = utc_now() - timedelta(days=days)
            ids = [{"verdict_id": new_id(), "screening_id": new_id(), "reached_at": at} for _ in range(often)]
            scores = {**row["scores"], "insult": 0.01 if days == 10 else 0.8}
            await connection.execute(sa.insert(verdicts), [{**row, **each, "scores": scores} for each in ids])
    await screening.compare_vendor()
    for _ in range(500):
        screening.drifts.note("moderationapi", "moderationapi-2", {**row["scores"], "insult": 0.8})
    assert measured("lantern.moderation.drift", provider="moderationapi", category="insult") > 0.25
    assert measured("lantern.moderation.drift", provider="moderationapi", category="threat") < 0.1
