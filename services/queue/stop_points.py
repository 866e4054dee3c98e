"""Named places at which a process kills itself, for fault tests: STOP_AT=after_provider_call python -m services.queue …

STOP_AT=after_delivery:40 lets the process pass 39 times. Without the variable this does nothing. The names are listed
in docs/delivery.md, docs/translation.md, docs/schedules.md and docs/attendance.md.
"""

import os
import signal
from functools import cache
from itertools import count

_times = count(1)


def reach(name: str, times: int = 1) -> None:
    """Die here, without any clean-up, if the environment names this place and it is reached for the named time."""
    place, time = _named()
    if name == place and any(next(_times) >= time for _ in range(times)):
        os.kill(os.getpid(), signal.SIGKILL)


@cache
def _named() -> tuple[str, int]:
    name, _, time = os.environ.get("STOP_AT", "").partition(":")
    return name, int(time or 1)
