"""A process says in time that its own token ends."""

import time
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from services.kit.auth import sign_service
from services.kit.logs import configure_logs
from services.kit.own_token import say, watch_token

DAY = 86_400.0


def token(days: float) -> str:
    key = OKPKey.generate_key("Ed25519", parameters={"kid": "operator-test"})
    return sign_service(key, "queue", frozenset(), days * DAY)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (token(10.5), [("service_token_ends", "warning", 10)]),
        (token(40), []),
        (token(-1), [("service_token_ended", "error", None)]),
        ("none", [("service_token_unreadable", "warning", None)]),
        ("", []),
    ],
)
def test_a_token_that_ends_soon_is_said_at_the_start(own: str, said: list[Any], written: Any) -> None:
    configure_logs("queue", "serve", "INFO")
    watch_token(own)
    records = written()
    assert [(each["event"], each["level"], each.get("days_left")) for each in records] == said
    assert {each["service"] for each in records} <= {"queue"}


def test_it_is_said_again_while_time_passes(written: Any) -> None:
    configure_logs("queue", "serve", "INFO")
    now = time.time()
    for day in (0, 1, 2):
        say(now + 31.5 * DAY, now + day * DAY)
    assert [each["days_left"] for each in written()] == [29]
