"""Child processes that never outlive their parent: a process group each, and the kernel ends them if we die."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_NOBODY = "nobody"
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class User:
    """Whom a child runs as."""

    uid: int
    gid: int


def unprivileged() -> User | None:
    """Return `nobody` when we are root (PostgreSQL refuses root), else None: stay who we are."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(_NOBODY)
    return User(entry.pw_uid, entry.pw_gid)


def as_user(user: User | None) -> dict[str, Any]:
    """Return subprocess arguments that switch to the user."""
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def reaches(user: User | None, path: Path) -> bool:
    """Tell whether the user can enter the folder, all folders above included."""
    if user is None:
        return True
    command = ["/bin/sh", "-c", 'cd "$1"', "sh", str(path)]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False, **as_user(user)).returncode == 0


def spawn(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    folder: Path,
    user: User | None = None,
    dying: signal.Signals = signal.SIGTERM,
) -> "subprocess.Popen[bytes]":
    """Start a child that appends to `log`. The kernel sends it `dying` if the thread that started it ends before it."""
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            # Runs after the change of user, which would clear the wish.
            preexec_fn=_follow_parent(dying),  # noqa: PLW1509  one thread starts children, and this takes no lock
            **as_user(user),
        )


def _follow_parent(dying: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def ask_kernel() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, int(dying))
        if os.getppid() != parent:
            os._exit(1)

    return ask_kernel


def signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """Send a signal to the child and everything that it started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def last_lines(log: Path, count: int = 12) -> list[str]:
    """Return the last lines of a log, at most 20 kB of it."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 20_000))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
