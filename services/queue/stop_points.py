"""Named places at which a process kills itself, for fault tests: STOP_AT=after_provider_call python -m services.queue …

STOP_AT=after_delivery:40 lets the process pass 39 times. Without the variable this does nothing. The names are listed
in docs/delivery.md and docs/schedules.md.
"""

import itertools
import os
import signal

_name, _, _time = os.environ.get("STOP_AT", "").partition(":")
_times = itertools.count(1)


def reach(name: str) -> None:
    """Die here, without any clean-up, if the environment names this place and it is reached for the named time."""
    if name == _name and next(_times) >= int(_time or 1):
        os.kill(os.getpid(), signal.SIGKILL)
