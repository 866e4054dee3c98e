"""A drill: everything runs, and nobody receives anything."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from services.queue.actions.upkeep import ask_providers
from services.queue.config import ProviderConfig
from services.queue.domain import Channel
from services.queue.providers.choose import make_providers
from tests.integration.queue.conftest import Queue, draft, person
from tests.support.tokens import Tokens

Configured = Callable[..., ProviderConfig]


@pytest.fixture
def configured(tokens: Tokens) -> Configured:
    """Makes the settings of a process that calls providers."""
    return partial(
        ProviderConfig,
        database_url="postgresql://x",
        nats_url="nats://x",
        auth_keys_file=tokens.keys_file,
        service_token="token",
        directory_address="127.0.0.1:1",
    )


async def test_every_recipient_may_be_asked_to_come_again(queue: Queue) -> None:
    await queue.submit(draft(channels=[("sms", "")]), [person(1), person(2)])
    busy = queue.dispatcher(
        twilio_account_sid="", aws_access_key_id="", sandbox_channels="sms", sandbox_is_busy_every=1, retry_seconds=60.0
    )
    await queue.drain(busy)
    waiting = await queue.rows("SELECT attempt, numbers FROM batches")
    assert sorted((row[0], number) for row in waiting for number in row[1]) == [(2, 1), (2, 2)]


async def test_a_drill_has_the_outcomes_that_were_asked_for(queue: Queue) -> None:
    done = await queue.submit(draft(channels=[("sms", "")]), [person(number) for number in range(1, 101)])
    dispatcher = queue.dispatcher(
        twilio_account_sid="",
        aws_access_key_id="",
        sandbox_channels="sms",
        sandbox_refuses_every=20,
        sandbox_is_busy_every=10,
        retry_seconds=60.0,
    )
    entry = done.snapshot.entries[0].entry_id

    await queue.drain(dispatcher)

    # Numbers 1, 11 … 91 are asked to come again, 20, 40 … 100 are refused.
    assert await queue.counts(entry) == {"total": 100, "pending": 95, "error": 5}
    waiting = await queue.rows("SELECT attempt, numbers FROM batches")
    assert sorted((row[0], number) for row in waiting for number in row[1]) == [(2, n) for n in range(1, 101, 10)]

    queue.clock.ahead += timedelta(minutes=2)
    await queue.drain(dispatcher)
    await queue.assert_true()
    states = Counter(row[0] for row in await queue.rows("SELECT state FROM outcomes"))
    assert states == {"handed_off": 95, "error": 5}

    assert await ask_providers(dispatcher, 0.0) == 95
    assert await queue.counts(entry) == {"total": 100, "sent": 95, "error": 5}


def test_a_drill_serves_only_the_channels_that_it_names(configured: Configured) -> None:
    assert set(make_providers(configured(sandbox_channels="sms, tts"))) == {Channel.SMS, Channel.TTS}


@pytest.mark.parametrize("account", [{"twilio_account_sid": "AC1"}, {"aws_access_key_id": "AKIA1"}])
def test_a_drill_never_has_an_account(account: dict[str, str], configured: Configured) -> None:
    with pytest.raises(ValueError, match="SANDBOX_CHANNELS is for drills"):
        configured(sandbox_channels="sms", **account)


def test_a_channel_that_does_not_exist_is_named(configured: Configured) -> None:
    with pytest.raises(ValueError, match="pigeon: no such channel"):
        configured(sandbox_channels="sms,pigeon")
