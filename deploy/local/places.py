"""Where the launcher keeps things: `.local/` of the checkout, and a folder outside it where PostgreSQL cannot enter.

PostgreSQL refuses root, so for root it runs as `nobody`; a checkout in a home folder that others cannot enter is closed
to it, and then its programs and its data live under /var/lib instead.
"""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.local.children import User, reaches

_OUTSIDE = Path("/var/lib")
# What `reset` removes from .local/; other tools may keep their caches there.
_OURS = (
    "accounts.json",
    "district",
    "logs",
    "nats",
    "ports.json",
    "postgres",
    "recordings",
    "run.json",
    "secrets",
    "seeded",
    "summary.json",
)


@dataclass(frozen=True)
class Places:
    """The paths of one checkout."""

    root: Path
    """The repository."""
    local: Path
    """Everything that a run leaves behind: `.local/` of the repository, or LANTERN_LOCAL."""

    @classmethod
    def here(cls) -> "Places":
        """Return the paths of the checkout that this file is in."""
        root = Path(__file__).resolve().parents[2]
        return cls(root, Path(os.environ.get("LANTERN_LOCAL") or root / ".local"))

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.local / "logs"

    @property
    def run_file(self) -> Path:
        """What scripts read to find the running system."""
        return self.local / "run.json"

    @property
    def lock_file(self) -> Path:
        """Held by the running launcher; contains its process id."""
        return self.local / "launcher.lock"

    @property
    def outside(self) -> Path:
        """The folder outside the checkout, of this checkout alone."""
        return _OUTSIDE / f"lantern-{hashlib.sha256(str(self.local.parent).encode()).hexdigest()[:12]}"

    def prepare(self) -> None:
        """Make the folders of a run."""
        for folder in (self.local, self.logs):
            folder.mkdir(mode=0o755, exist_ok=True)

    def postgres_home(self, user: User | None) -> Path:
        """Return the folder of PostgreSQL's data, which the user can reach."""
        if reaches(user, self.local):
            return self.local / "postgres"
        self.outside.mkdir(mode=0o755, parents=True, exist_ok=True)
        return self.outside / "postgres"

    def reset(self) -> None:
        """Remove all data, keys, ports and logs of this checkout."""
        for path in (*(self.local / name for name in _OURS), self.outside):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
