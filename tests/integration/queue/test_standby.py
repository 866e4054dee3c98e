"""E-mail goes by the standby region while SES is away in the usual one, once each (statement 311)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from protos.events.v1 import queue_pb2 as events
from services.queue import events_out
from services.queue.providers.aws import AwsClient
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.vendors import VendorSimulator


@pytest.fixture
def standby() -> Iterator[VendorSimulator]:
    started = VendorSimulator.start()
    yield started
    started.stop()


@pytest.fixture
def other_key() -> Iterator[VendorSimulator]:
    """A region in which another key is the right one."""
    started = VendorSimulator.start(environment={"AWS_SECRET_ACCESS_KEY": "other"})
    yield started
    started.stop()


@pytest.fixture
def other_sender() -> Iterator[VendorSimulator]:
    """A region in which another domain is verified."""
    started = VendorSimulator.start(environment={"SES_FROM_ADDRESS": "office@example.com"})
    yield started
    started.stop()


@pytest.mark.accepts(311)
async def test_mail_goes_by_the_standby_region_while_the_usual_one_is_away(
    queue: Queue, vendors: VendorSimulator, standby: VendorSimulator
) -> None:
    dispatcher = queue.dispatcher(ses_standby_region="us-west-2", ses_standby_endpoint_url=standby.url)
    vendors.modes(ses={"mode": "500"})
    done = await queue.submit(draft(), [person(number) for number in range(1, 41)])
    await queue.drain(dispatcher)
    arrived = [each["tags"]["delivery_key"].split("_")[1] for each in standby.arrivals(channel="email")]
    assert sorted(arrived, key=int) == [str(number) for number in range(1, 41)]
    assert vendors.counts()["total"] == 0
    assert await queue.rows("SELECT 1 FROM outcomes WHERE state <> 'handed_off'") == []
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 40, "pending": 40}


@pytest.mark.accepts(311)
async def test_mail_goes_by_the_standby_region_while_the_usual_one_refuses_our_account(
    queue: Queue, vendors: VendorSimulator, other_key: VendorSimulator
) -> None:
    dispatcher = queue.dispatcher(
        aws_secret_access_key="other", ses_standby_region="us-west-2", ses_standby_endpoint_url=other_key.url
    )
    await queue.submit(draft(), [person(number) for number in range(1, 6)])
    await queue.drain(dispatcher)
    assert (vendors.counts()["total"], other_key.counts()["total"], other_key.counts()["doubles"]) == (0, 5, 0)
    assert await queue.rows("SELECT 1 FROM outcomes WHERE state <> 'handed_off'") == []


@pytest.mark.accepts(311)
async def test_mail_goes_by_the_region_in_which_our_sender_is_verified_and_waits_where_that_is_away(
    queue: Queue, vendors: VendorSimulator, other_sender: VendorSimulator
) -> None:
    standby = {"ses_standby_region": "us-west-2", "ses_standby_endpoint_url": other_sender.url}
    theirs = queue.dispatcher(ses_from_address="office@example.com", **standby)
    await queue.submit(draft(), [person(number) for number in range(1, 6)])
    await queue.drain(theirs)
    assert (vendors.counts()["total"], other_sender.counts()["total"]) == (0, 5)
    other_sender.modes(ses={"mode": "500"})
    queue.clock.ahead += timedelta(seconds=60)
    done = await queue.submit(draft(idempotency_key="second"), [person(number) for number in range(1, 6)])
    await queue.drain(queue.dispatcher(ses_from_address="office@example.com", **standby))
    assert await queue.counts(done.snapshot.entries[0].entry_id) == {"total": 5, "pending": 5}
    assert await queue.rows("SELECT 1 FROM outcomes WHERE state <> 'handed_off'") == []


@pytest.mark.accepts(65, 311)
async def test_what_may_have_been_taken_is_never_given_to_the_other_region(
    queue: Queue, vendors: VendorSimulator, standby: VendorSimulator
) -> None:
    dispatcher = queue.dispatcher(ses_standby_region="us-west-2", ses_standby_endpoint_url=standby.url)
    vendors.modes(ses={"mode": "timeout_after_accept", "count": 5})
    await queue.submit(draft(), [person(number) for number in range(1, 6)])
    await queue.drain(dispatcher)
    assert vendors.counts()["total"] > 0
    assert standby.counts()["total"] == 0


@pytest.mark.accepts(311)
@pytest.mark.parametrize(
    ("code", "status"),
    [("LimitExceededException", 400), ("ThrottlingException", 400), ("TooManyRequestsException", 429)],
)
async def test_with_the_daily_limit_used_up_mail_goes_by_the_other_region_and_without_one_somebody_is_told(
    queue: Queue, standby: VendorSimulator, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    call = AwsClient.call

    async def used_up(aws: AwsClient, function: Any, **arguments: Any) -> Any:
        if aws.client.meta.region_name == "us-west-2":
            return await call(aws, function, **arguments)
        error = {"Code": code, "Message": "Daily message quota exceeded."}
        raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, "SendEmail")

    monkeypatch.setattr(AwsClient, "call", used_up)
    await queue.submit(draft(), [person(number) for number in range(1, 6)])
    await queue.drain(queue.dispatcher())
    assert await queue.rows("SELECT 1 FROM outcomes") == []
    (told,) = await queue.event(events_out.ATTENTION_NEEDED, events.AttentionNeeded)
    assert told.reason == (
        "E-mail by Amazon SES waits. Our daily limit of e-mails is used up."
        " Ask the operator to have SES raise it. LimitExceededException"
    )
    other = queue.dispatcher(ses_standby_region="us-west-2", ses_standby_endpoint_url=standby.url)
    queue.clock.ahead += timedelta(seconds=60)
    await queue.drain(other)
    assert (standby.counts()["total"], standby.counts()["doubles"]) == (5, 0)
