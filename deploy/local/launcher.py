"""One run of the system: start in waves, seed the first time, print the screen, look after it, stop."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from deploy.local.backing import MigrationFailed, nats_child, postgres_child, prepare_databases
from deploy.local.children import spawn
from deploy.local.environment import Environment
from deploy.local.keys import write_private
from deploy.local.nats import NatsFailed
from deploy.local.places import Places
from deploy.local.postgres import PostgresFailed
from deploy.local.processes import GRPC, PARTS, Part
from deploy.local.scopes import every_scope
from deploy.local.screen import Screen
from deploy.local.supervisor import Child, DiedWhileStarting, Supervisor

_READY_SECONDS = 90.0
STOP_SECONDS = 9.0
"""Everything has ended by then."""
_WATCH_SECONDS = 0.2
_FAILURES = (DiedWhileStarting, MigrationFailed, NatsFailed, PostgresFailed)


class Launcher:
    """Runs until a signal."""

    def __init__(self, places: Places, environment: Environment, screen: Screen, *, with_sample: bool) -> None:
        """Nothing is started yet. with_sample: a new system gets the sample district."""
        self._with_sample = with_sample
        self._places, self._environment, self._screen = places, environment, screen
        self._supervisor = Supervisor(screen.warn, self._write_run_file)
        self._operator = environment.keys.service_token("operator", every_scope())
        self._is_stopping = False
        self._is_ready = False

    def run(self, on_ready: Callable[[], None]) -> int:
        """Start, call on_ready, and look after the system until SIGINT or SIGTERM; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        code = 0
        try:
            self._start()
            if not self._is_stopping:
                on_ready()
            while not self._is_stopping:
                self._supervisor.watch_once()
                time.sleep(_WATCH_SECONDS)
        except _FAILURES as problem:
            self._screen.fail(str(problem))
            code = 1
        finally:
            self._stop()
        return code

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._is_stopping = True

    def _start(self) -> None:
        self._places.run_file.unlink(missing_ok=True)
        with self._screen.step("PostgreSQL and NATS"):
            server, database = postgres_child(self._places, self._environment)
            server.initialise()
            for child in (database, nats_child(self._places, self._environment)):
                self._supervisor.add(child)
            self._environment.ports.save()
            self._wait(["postgres", "nats"])
        if self._is_stopping:
            return
        with self._screen.step("Tables"):
            prepare_databases(server, self._environment)
        with self._screen.step("Services"):
            self._start_parts()
        self._environment.ports.save()
        if self._with_sample and not self._is_stopping:
            self._seed()
        if not self._is_stopping:
            self._is_ready = True
            self._write_run_file()
            self._screen.show(self._environment.gateway_url, self._environment.vendors_url, self._places)

    def _start_parts(self) -> None:
        for part in PARTS:
            for number in range(1, part.count + 1):
                self._supervisor.add(self._child(part, f"{part.name}.{number}" if part.count > 1 else part.name))
        self._wait([child.name for child in self._supervisor.children])

    def _wait(self, names: list[str]) -> None:
        self._supervisor.wait_ready(names, _READY_SECONDS, is_stopping=lambda: self._is_stopping)

    def _child(self, part: Part, instance: str) -> Child:
        environment = self._environment.of(part, instance)
        log = self._places.logs / f"{instance}.log"
        command = [sys.executable, "-m", part.module]
        command += (
            ["--listen", urlsplit(self._environment.vendors_url).netloc] if part.name == "vendors" else [part.process]
        )
        readiness = {
            "vendors": self._environment.vendors_url,
            "gateway": f"{self._environment.gateway_url}/readyz",
        }.get(part.service, f"http://{self._environment.metrics(instance)}/readyz")
        return Child(
            instance,
            part.name,
            lambda: spawn(command, environment=environment, log=log, folder=self._places.root),
            lambda: _answers(readiness),
            log,
            part.wave,
        )

    def _seed(self) -> None:
        """Load the sample district the first time: `python -m deploy.local.seed` may be run again after a failure."""
        done = self._places.local / "seeded"
        if done.exists():
            return
        log = self._places.logs / "seed.log"
        log.write_bytes(b"")
        environment = {**self._environment.of_seeding(self._operator), "LANTERN_LOCAL": str(self._places.local)}
        with self._screen.step("The sample district (once)"):
            command = [sys.executable, "-m", "deploy.local.seed"]
            process = spawn(command, environment=environment, log=log, folder=self._places.root)
            while process.poll() is None:
                self._supervisor.watch_once()
                self._screen.progress(log)
                if self._is_stopping:
                    process.send_signal(signal.SIGTERM)
                    _wait_or_kill(process)
                    return
                time.sleep(_WATCH_SECONDS)
        if process.returncode:
            raise DiedWhileStarting(f"The sample district could not be loaded ({log}):\n" + self._screen.tail(log))
        done.touch()

    def _write_run_file(self) -> None:
        if not self._is_ready:
            return
        accounts = self._places.local / "accounts.json"
        environment = self._environment
        content = {
            "gateway": environment.gateway_url,
            "grpc": {service: environment.grpc(service) for service in GRPC},
            "nats": environment.nats_url,
            "postgres": f"postgresql://postgres:{environment.keys.password('postgres')}@127.0.0.1:{environment.ports.port('postgres')}/postgres",
            "vendors": environment.vendors_url,
            "accounts": json.loads(accounts.read_text(encoding="utf-8")) if accounts.exists() else [],
            "pids": self._supervisor.pids(),
            "service_token": self._operator,
            "launcher": os.getpid(),
        }
        write_private(self._places.run_file, content)

    def _stop(self) -> None:
        with self._screen.step("Stopping"):
            self._places.run_file.unlink(missing_ok=True)
            self._supervisor.stop(STOP_SECONDS)


def _answers(url: str) -> bool:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=2)
    try:
        connection.request("GET", address.path or "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait_or_kill(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
