"""The process's own service token: how long it holds. It ends by itself, and with it all that is asked with it."""

import binascii
import json
import time

from joserfc import jws
from joserfc.errors import JoseError
from opentelemetry.metrics import Observation

from services.kit.daily import DAY_SECONDS, every_day
from services.kit.logs import get_logger
from services.kit.telemetry import meter

_log = get_logger(__name__)
_WARNING_DAYS = 30


def watch_token(token: str) -> None:
    """Say now and once a day that the token ends within 30 days, and measure how long it is good for."""
    if not token:
        return
    ends_at = _ends_at(token)
    if ends_at is None:
        _log.warning("service_token_unreadable")
        return
    meter(__name__).create_observable_gauge(
        "lantern.service_token.left",
        [lambda _: [Observation(ends_at - time.time())]],
        "s",
        "How long this process's own token is good for.",
    )
    every_day(lambda: say(ends_at, time.time()))


def say(ends_at: float, now: float) -> None:
    """Log that the token has ended, or ends within 30 days."""
    days, is_good = int((ends_at - now) // DAY_SECONDS), ends_at > now
    if not is_good:
        _log.error("service_token_ended")
    elif days < _WARNING_DAYS:
        _log.warning("service_token_ends", days_left=days)


def _ends_at(token: str) -> float | None:
    """Return when it ends, by its own words: whoever is shown it checks the signature."""
    try:
        return float(json.loads(jws.extract_compact(token.encode()).payload)["exp"])
    except (JoseError, binascii.Error, ValueError, LookupError, TypeError):
        return None
