"""The launcher: `python -m deploy.local up [--detach] [--port N] | down | reset`; `make run` and its kin call it."""

import argparse
import fcntl
import os
import signal
import subprocess
import sys
import time
from typing import IO

from deploy.local.environment import Environment
from deploy.local.keys import Keys
from deploy.local.launcher import STOP_SECONDS, Launcher
from deploy.local.places import Places
from deploy.local.ports import PortBook
from deploy.local.screen import Screen

_READY = "ready"


def main() -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local")
    parser.add_argument("what", choices=["up", "down", "reset"])
    parser.add_argument("--detach", action="store_true", help="return once everything is ready, and leave it running")
    parser.add_argument("--port", type=int, help="port of the web UI; a free one, then always the same, by default")
    parser.add_argument("--empty", action="store_true", help="load no sample district")
    parser.add_argument("--tell", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    places = Places.here()
    if arguments.what == "up":
        return _detached(places, arguments) if arguments.detach else _up(places, arguments)
    stopped = _down(places)
    if arguments.what == "reset" and stopped == 0:
        places.reset()
        print("All data of this checkout is removed.")
    return stopped


def _up(places: Places, arguments: argparse.Namespace) -> int:
    """Run in this process until a signal; write a word to the descriptor `tell` when ready."""
    places.prepare()
    lock = _locked(places)
    if lock is None:
        print(f"It runs already: see {places.run_file}; make stop ends it.", file=sys.stderr)
        return 1
    with lock:
        environment = Environment(
            places.root, Keys.open(places.local / "secrets"), PortBook(places.local / "ports.json"), arguments.port
        )
        return Launcher(places, environment, Screen(), with_sample=not arguments.empty).run(
            lambda: _tell(arguments.tell)
        )


def _tell(descriptor: int | None) -> None:
    if descriptor is not None:
        os.write(descriptor, _READY.encode())
        os.close(descriptor)


def _detached(places: Places, arguments: argparse.Namespace) -> int:
    """Start another launcher, pass on what it prints until it is ready, and leave it running."""
    places.prepare()
    if _is_running(places):
        print(f"It runs already: see {places.run_file}.")
        return 0
    log = places.logs / "launcher.log"
    log.write_bytes(b"")
    read, write = os.pipe()
    command = [
        sys.executable,
        "-m",
        "deploy.local",
        "up",
        "--tell",
        str(write),
        *(["--port", str(arguments.port)] if arguments.port else []),
        *(["--empty"] if arguments.empty else []),
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[write], start_new_session=True
        )
    os.close(write)
    os.set_blocking(read, False)
    with log.open(encoding="utf-8") as lines:
        while True:
            told = _read_nothing_yet(read)
            sys.stdout.write(lines.read())
            sys.stdout.flush()
            if told == _READY:
                return 0
            if process.poll() is not None:
                sys.stdout.write(lines.read())
                return process.returncode or 1
            time.sleep(0.1)


def _read_nothing_yet(descriptor: int) -> str:
    try:
        return os.read(descriptor, 64).decode()
    except BlockingIOError:
        return ""


def _down(places: Places) -> int:
    """Stop the launcher that runs here, if one does; 1 if it does not end."""
    if not places.lock_file.exists() or not _is_running(places):
        print("Nothing runs here.")
        return 0
    pid = int(places.lock_file.read_text(encoding="utf-8"))
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS + 3
    while _is_running(places):
        if time.monotonic() > deadline:
            # The kernel ends the children of a launcher that is killed.
            os.kill(pid, signal.SIGKILL)
            print("It did not stop in time and was killed.", file=sys.stderr)
            return 1
        time.sleep(0.05)
    print("Stopped.")
    return 0


def _locked(places: Places) -> IO[str] | None:
    """Take the lock of this checkout for as long as the file is open; None if a launcher runs."""
    file = places.lock_file.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _is_running(places: Places) -> bool:
    if not places.lock_file.exists():
        return False
    with places.lock_file.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


if __name__ == "__main__":
    raise SystemExit(main())
