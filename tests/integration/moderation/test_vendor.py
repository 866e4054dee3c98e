"""The vendor through its SDK: what it does to us when it is slow, refuses or says when to come back."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from services.moderation.domain import Judgement, Trouble
from services.moderation.judging import FAILURES_TO_OPEN, REFUSALS_TO_OPEN, Judge
from services.moderation.providers.base import ProviderUnavailable, Text, TextRefused
from services.moderation.providers.embedded import Embedded
from services.moderation.providers.modapi import ModerationApi
from tests.support.vendors import VendorSimulator

HOUR = 3600.0
TEXT = Text("Can I hand in the map project on Monday?", "en", "message", "author", "conversation")


@pytest.mark.accepts(167)
async def test_a_vendor_that_asks_us_to_come_back_in_an_hour_holds_nobody_up(
    vendors: VendorSimulator, vendor: ModerationApi
) -> None:
    vendors.modes(moderation={"mode": "429", "retry_after_seconds": HOUR})
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="rate_limit") as refused:
        await vendor.judge([TEXT])
    assert time.monotonic() - began < 15
    assert refused.value.retry_after_seconds == HOUR


@pytest.mark.accepts(167)
async def test_an_answer_that_drips_is_given_up_in_time(vendors: VendorSimulator, hasty_vendor: ModerationApi) -> None:
    vendors.modes(moderation={"mode": "drip"})
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="timeout"):
        await hasty_vendor.judge([TEXT])
    assert time.monotonic() - began < 15


async def test_the_vendor_is_left_alone_as_long_as_it_asks_and_no_longer_than_a_message_waits(
    vendors: VendorSimulator, vendor: ModerationApi, embedded: Embedded
) -> None:
    now = 0.0
    judge = Judge(vendor, embedded, longest_pause_seconds=60, monotonic=lambda: now)
    vendors.modes(moderation={"mode": "429", "retry_after_seconds": HOUR, "count": 1})
    with pytest.raises(ProviderUnavailable, match="rate_limit"):
        await judge.judge([TEXT])
    now = 59.0
    with pytest.raises(ProviderUnavailable, match="circuit_open"):
        await judge.judge([TEXT])
    now = 60.0
    assert (await judge.judge([TEXT])).provider == "moderationapi"


@pytest.mark.parametrize("mode", ["quota_exceeded", "key_refused"])
@pytest.mark.accepts(167)
async def test_nothing_waits_for_a_vendor_that_refuses_us_and_is_asked_again_after_a_while(
    mode: str, vendors: VendorSimulator, vendor: ModerationApi, embedded: Embedded
) -> None:
    now = 0.0
    judge = Judge(vendor, embedded, longest_pause_seconds=60, monotonic=lambda: now)
    vendors.modes(moderation={"mode": mode})
    for kind in (mode, "circuit_open"):
        with pytest.raises(ProviderUnavailable, match=kind) as refused:
            await judge.judge([TEXT])
        assert refused.value.is_lasting
    now = 60.0
    vendors.reset()
    assert (await judge.judge([TEXT])).provider == "moderationapi"
    assert not judge.is_given_up


async def test_once_the_vendor_has_failed_for_as_long_as_a_message_waits_the_next_one_does_not_wait(
    vendors: VendorSimulator, vendor: ModerationApi, embedded: Embedded
) -> None:
    now = 0.0
    judge = Judge(vendor, embedded, longest_pause_seconds=60, monotonic=lambda: now)
    vendors.modes(moderation={"mode": "schema_drift"})
    lasting = []
    for moment in (0.0, 30.0, 59.0, 60.0):
        now = moment
        with pytest.raises(ProviderUnavailable, match="schema_drift") as failed:
            await judge.judge([TEXT])
        lasting.append(failed.value.is_lasting)
    assert lasting == [False, False, False, True]


async def test_one_text_that_is_refused_is_no_outage(
    vendors: VendorSimulator, vendor: ModerationApi, embedded: Embedded
) -> None:
    judge = Judge(vendor, embedded)
    vendors.modes(moderation={"mode": "400"})
    for _ in range(FAILURES_TO_OPEN + 1):
        with pytest.raises(TextRefused, match="refused"):
            await judge.judge([TEXT])
    assert judge.is_available
    assert not judge.is_given_up


@pytest.mark.accepts(167)
async def test_a_vendor_that_refuses_one_text_after_another_refuses_us_until_it_answers(
    vendors: VendorSimulator, vendor: ModerationApi, embedded: Embedded
) -> None:
    now = 0.0
    judge = Judge(vendor, embedded, longest_pause_seconds=60, monotonic=lambda: now)

    async def is_refused(times: int) -> None:
        for _ in range(times):
            with pytest.raises(TextRefused):
                await judge.judge([TEXT])

    vendors.modes(moderation={"mode": "400"})
    await is_refused(REFUSALS_TO_OPEN - 1)
    vendors.reset()
    await judge.judge([TEXT])
    vendors.modes(moderation={"mode": "400"})
    await is_refused(REFUSALS_TO_OPEN - 1)
    for kind in ("refused", "circuit_open"):
        with pytest.raises(ProviderUnavailable, match=kind) as failed:
            await judge.judge([TEXT])
        assert (failed.value.is_lasting, isinstance(failed.value, TextRefused)) == (True, False)
    assert judge.trouble is Trouble.REFUSED
    now = 60.0
    with pytest.raises(ProviderUnavailable, match="refused"):
        await judge.judge([TEXT])
    vendors.reset()
    now = 120.0
    assert (await judge.judge([TEXT])).provider == "moderationapi"
    assert not judge.is_given_up


async def test_a_wait_for_our_own_model_is_no_failure_of_the_vendor(
    vendor: ModerationApi, embedded: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.moderation.judging._FAIR_SECONDS", 0.0)

    class Busy(Embedded):
        """Judges nothing before somebody gave up waiting."""

        def __init__(self) -> None:
            self._asked, self._never = 0, asyncio.Event()

        async def judge(self, texts: Sequence[Text]) -> list[Judgement]:
            self._asked += 1
            if self._asked % 2:
                await self._never.wait()
            return await embedded.judge(texts)

    judge = Judge(vendor, Busy())
    for _ in range(FAILURES_TO_OPEN):
        assert (await judge.judge_within([TEXT], 0.02)).provider == "embedded-fallback"
    assert judge.is_available
