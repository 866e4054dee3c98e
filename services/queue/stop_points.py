"""Named places at which a process kills itself, for fault tests: STOP_AT=after_provider_call python -m services.queue …

Without the variable this does nothing. The names are listed in docs/delivery.md.
"""

import os
import signal

_stop_at = os.environ.get("STOP_AT", "")


def reach(name: str) -> None:
    """Die here, without any clean-up, if the environment names this place."""
    if name == _stop_at:
        os.kill(os.getpid(), signal.SIGKILL)
