"""The launcher with a folder of its own and shorter waits: `python -m tests.e2e.launch FOLDER`.

Everything that runs is what `make run` runs. Left out is the sample district, in whose place the tests import a
roster of their own; shortened is how long the queue waits before it looks after what a dead dispatcher left.
"""

import sys
from pathlib import Path

from deploy.local.environment import Environment
from deploy.local.keys import Keys
from deploy.local.launcher import Launcher
from deploy.local.places import Places
from deploy.local.ports import PortBook
from deploy.local.processes import Part
from deploy.local.screen import Screen

_SHORTER = {
    "LEASE_SECONDS": "4",
    # A lease lasts at least twice as long as a call may.
    "PROVIDER_TIMEOUT_SECONDS": "5",
    "RETRY_SECONDS": "1",
    "UNSURE_ASK_SECONDS": "1",
    # SNS tells again what the gateway could not take, after 2 seconds in place of 20, and for longer than we wait.
    "VENDORS_RETRY_SCALE": "0.1",
    "VENDORS_SNS_RETRIES": "60",
    "RECEIPT_WAIT_SECONDS": "20",
    # What Twilio could not tell the gateway within its own tries the queue asks for.
    "SILENT_ASK_SECONDS": "5",
}


class Hurried(Environment):
    """The launcher's environment, with shorter waits."""

    def of(self, part: Part, instance: str) -> dict[str, str]:
        """Return the environment of one process."""
        return {**super().of(part, instance), **_SHORTER}


def main(folder: Path) -> int:
    """Run until a signal; return the exit code."""
    places = Places(Places.here().root, folder)
    places.prepare()
    environment = Hurried(places.root, Keys.open(folder / "secrets"), PortBook(folder / "ports.json"))
    return Launcher(places, environment, Screen(), with_sample=False).run(lambda: None)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
