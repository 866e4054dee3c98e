"""The vendor through its SDK: what it does to us when it is slow, refuses or says when to come back."""

import time

import pytest

from services.moderation.judging import FAILURES_TO_OPEN, Judge
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
