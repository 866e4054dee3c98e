"""An address that an operator lifts is taken off Amazon's own list, too: SES would go on to send it nothing (311)."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import boto3
import pytest

from services.kit.auth import Caller
from services.kit.db import transaction
from services.queue.actions import contacting
from services.queue.actions.lifting import AGAIN_AFTER, Lifting
from services.queue.providers.aws import AwsSettings
from services.queue.providers.ses_list import SesList
from services.queue.records import Receipt
from services.queue.store import lifted
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.vendors import AWS_KEY, AWS_SECRET, VendorSimulator

ADDRESS = "gone@example.org"
OPERATOR = Caller("test", frozenset())


@pytest.fixture
def standby() -> Iterator[VendorSimulator]:
    started = VendorSimulator.start()
    yield started
    started.stop()


def _ses(region: VendorSimulator) -> Any:
    account = {"aws_access_key_id": AWS_KEY, "aws_secret_access_key": AWS_SECRET}
    return boto3.client("sesv2", region_name="us-east-1", endpoint_url=region.url, **account)


def _stop(region: VendorSimulator, address: str = ADDRESS) -> None:
    _ses(region).put_suppressed_destination(EmailAddress=address, Reason="BOUNCE")


def _stopped(region: VendorSimulator) -> list[str]:
    found = _ses(region).list_suppressed_destinations()["SuppressedDestinationSummaries"]
    return [each["EmailAddress"] for each in found]


def _lifting(queue: Queue, *regions: VendorSimulator, key: str = AWS_SECRET) -> Lifting:
    settings = [AwsSettings("us-east-1", AWS_KEY, key, each.url, 2.0, 1) for each in regions]
    return Lifting(queue.engine, queue.clock, SesList(settings))


async def _bounced(queue: Queue, addresses: Sequence[str] = (ADDRESS,), why: str = "OnAccountSuppressionList") -> None:
    """Let SES say that these addresses bounced; usually that it sends nothing to them."""
    people = [person(number, email=address) for number, address in enumerate(addresses, 1)]
    done = await queue.submit(draft(), people)
    await queue.drain(queue.dispatcher())
    keys = [f"{done.snapshot.entries[0].entry_id}.{number}.1" for number in range(1, len(people) + 1)]
    receipts = [Receipt("ses", "", key, "Bounce", f"Permanent/{why}", queue.clock()) for key in keys]
    await queue.record(receipts)


async def _lift(queue: Queue, address: str = ADDRESS) -> None:
    await contacting.lift(queue.engine, queue.clock, OPERATOR, [address])


@pytest.mark.accepts(311)
async def test_an_address_that_is_lifted_leaves_amazons_list_in_every_region_and_is_sent_to(
    queue: Queue, vendors: VendorSimulator, standby: VendorSimulator
) -> None:
    for region in (vendors, standby):
        _stop(region)
    _stop(vendors, "other@example.org")
    await _bounced(queue)
    lifting = _lifting(queue, vendors, standby)
    await lifting.step()
    assert ADDRESS in _stopped(vendors), "nobody lifted it yet"
    await _lift(queue)
    await lifting.step()
    assert (_stopped(vendors), _stopped(standby)) == (["other@example.org"], [])
    assert await queue.rows("SELECT 1 FROM lifted_addresses") == []
    await queue.submit(draft(), [person(1, email=ADDRESS)])
    await queue.drain(queue.dispatcher())
    assert vendors.arrivals(channel="email")[0]["reaches"] is True
    await lifting.amazon.close()


@pytest.mark.accepts(311)
async def test_while_a_region_does_not_let_it_go_others_have_their_turn_and_it_is_tried_again(
    queue: Queue, vendors: VendorSimulator, standby: VendorSimulator
) -> None:
    queue.clock.stop()
    await _bounced(queue, [ADDRESS, "second@example.org"])
    for address in (ADDRESS, "second@example.org"):
        _stop(standby, address)
    standby.modes(ses={"mode": "500", "count": 1})
    lifting = _lifting(queue, vendors, standby)
    await _lift(queue)
    queue.clock.ahead += timedelta(seconds=1)
    await _lift(queue, "second@example.org")
    for _ in range(3):
        await lifting.step()
    assert _stopped(standby) == [ADDRESS]
    queue.clock.ahead += AGAIN_AFTER
    await lifting.step()
    assert (_stopped(standby), await queue.rows("SELECT 1 FROM lifted_addresses")) == ([], [])
    await lifting.amazon.close()


async def test_a_key_without_the_right_is_written_to_the_log_without_the_address(
    queue: Queue, vendors: VendorSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    await _bounced(queue)
    await _lift(queue)
    lifting = _lifting(queue, vendors, key="expired")
    await lifting.step()
    said = capsys.readouterr()
    assert "amazon_still_suppresses" in said.out + said.err
    assert ADDRESS not in said.out + said.err
    await lifting.amazon.close()


async def test_what_is_lifted_again_while_amazon_is_asked_is_asked_again(queue: Queue) -> None:
    await _bounced(queue)
    await _lift(queue)
    async with transaction(queue.engine) as connection:
        first = await lifted.first_due(connection, queue.clock())
    assert first is not None
    await _bounced(queue, why="General")
    queue.clock.ahead += timedelta(seconds=1)
    await _lift(queue)
    async with transaction(queue.engine) as connection:
        await lifted.forget(connection, first)
        assert await lifted.first_due(connection, queue.clock()) is not None


async def test_what_bounces_by_amazons_list_alone_while_it_waits_to_leave_it_is_not_suppressed_again(
    queue: Queue,
) -> None:
    second = "second@example.org"
    await _bounced(queue, [ADDRESS, second])
    await _lift(queue)
    await _lift(queue, second)
    await _bounced(queue, [ADDRESS])
    await _bounced(queue, [second], why="General")
    assert [row[0] for row in await queue.rows("SELECT destination FROM suppressions")] == [second]


async def test_a_number_that_is_lifted_is_nothing_to_amazon(queue: Queue) -> None:
    await queue.submit(draft(channels=[("sms", "Bus 4.")]), [person(1, mobile="+16465550187")])
    await queue.drain(queue.dispatcher())
    await contacting.lift(queue.engine, queue.clock, OPERATOR, ["+16465550187"])
    assert await queue.rows("SELECT 1 FROM lifted_addresses") == []
