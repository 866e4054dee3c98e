"""What a process says again each day that it lives, since it may live longer than what it warns of."""

import time
from collections.abc import Callable
from contextvars import copy_context
from threading import Thread

DAY_SECONDS = 86_400.0


def every_day(told: Callable[[], None]) -> None:
    """Call it now, and once a day for as long as the process lives."""
    told()
    # On a thread, since the gateway has no loop; in our context, which names the process in the log.
    Thread(target=copy_context().run, args=(_call_daily, told), name="every day", daemon=True).start()


def _call_daily(told: Callable[[], None]) -> None:
    while True:
        time.sleep(DAY_SECONDS)
        told()
