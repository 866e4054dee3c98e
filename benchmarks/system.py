"""The system under measurement: durable PostgreSQL, JetStream on disk, directory and the queue's own processes.

Everything is started as `make run` starts it, with the same settings, in a folder of its own that goes afterwards.
"""

import http.client
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import psycopg
from psycopg import sql

from benchmarks.measure import wait_until
from deploy.local.backing import nats_child, postgres_child, prepare_databases
from deploy.local.children import last_lines, spawn
from deploy.local.environment import Environment
from deploy.local.keys import Keys
from deploy.local.places import Places
from deploy.local.ports import PortBook
from deploy.local.processes import Part
from deploy.local.scopes import every_scope
from protos.directory.v1 import directory_pb2 as directory
from protos.directory.v1 import directory_pb2_grpc

# Processes are started while channels are open: the library's own care for forks would end the child.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
_READY_SECONDS = 60.0
_DRILL = {
    "TWILIO_ACCOUNT_SID": "",
    "AWS_ACCESS_KEY_ID": "",
    "SANDBOX_CHANNELS": "sms,tts",
    "SANDBOX_REFUSES_EVERY": "100",
    "SANDBOX_IS_BUSY_EVERY": "50",
}
_ALWAYS = {
    "TWILIO_STATUS_CALLBACK_URL": "",
    "VOICE_STANDBY_ORIGIN": "",
    "RETRY_SECONDS": "0.05",
    "LOG_LEVEL": "WARNING",
}


class System:
    """What runs, and how to reach it."""

    def __init__(self, folder: Path) -> None:
        """Start PostgreSQL, NATS and directory; the queue's processes come when a measurement asks for them."""
        root = Path(__file__).resolve().parents[1]
        self.folder = folder
        self._places = Places(root, folder)
        self._places.prepare()
        folder.chmod(0o755)
        self._keys = Keys.open(folder / "secrets")
        self._environment = Environment(root, self._keys, PortBook(folder / "ports.json"))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._server, database = postgres_child(self._places, self._environment)
        self._server.initialise()
        for child in (database, nats_child(self._places, self._environment)):
            self._processes[child.name] = child.start()
            wait_until(f"{child.name} is ready", child.is_ready, seconds=_READY_SECONDS)
        prepare_databases(self._server, self._environment)
        self.start("directory", "serve")
        token = self._keys.service_token("operator", every_scope())
        self.authorization = (("authorization", f"Bearer {token}"),)
        self._allow_texts()

    @property
    def database_url(self) -> str:
        """The queue's database, for its owner: measurements look, and raw limits write, past the service."""
        return self.address_of("queue")

    def address_of(self, service: str) -> str:
        """Return the address of a service's database, for its owner."""
        return self._environment.database_url(service, as_owner=True)

    @property
    def nats_url(self) -> str:
        """The address of NATS."""
        return self._environment.nats_url

    def start(self, service: str, process: str, name: str = "", **settings: str) -> None:
        """Start a process of a service, and wait until it is ready."""
        name = name or f"{service}.{process}"
        environment = self._environment.of(Part(service, process), name)
        log = self._places.logs / f"{name}.log"
        self._processes[name] = spawn(
            [sys.executable, "-m", f"services.{service}", process],
            environment={**environment, **_ALWAYS, **settings},
            log=log,
            folder=self._places.root,
        )
        address = self._environment.metrics(name)
        wait_until(f"{name} is ready ({log})", lambda: self._is_ready(name, address), seconds=_READY_SECONDS)

    def peer_database(self, name: str) -> str:
        """Make an empty database on the same server and return its address."""
        with psycopg.connect(self._server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._server.url.rpartition("/")[0] + f"/{name}"

    def start_drill(self, dispatchers: int = 2) -> None:
        """Start the queue with the sandbox as its provider: 1 % refused, 2 % tried twice."""
        self.start("queue", "serve")
        for number in range(dispatchers):
            self.start("queue", "dispatch", f"queue.dispatch.{number}", **_DRILL)

    def stop(self, name: str) -> None:
        """End one process in order."""
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(15)

    def pid(self, name: str) -> int:
        """Return a process's id."""
        return self._processes[name].pid

    def close(self) -> None:
        """End everything, what others need last."""
        for name in [each for each in self._processes if each not in {"postgres", "nats"}][::-1]:
            self.stop(name)
        self.stop("nats")
        postgres = self._processes.pop("postgres")
        postgres.send_signal(signal.SIGINT)
        postgres.wait(30)
        self._places.reset()

    def channel(self) -> grpc.Channel:
        """Return a channel to the queue; calls take `metadata=system.authorization`."""
        return grpc.insecure_channel(self._environment.grpc("queue"))

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        """Return a connection to the queue's database."""
        return psycopg.connect(self.database_url, autocommit=True)

    def _allow_texts(self) -> None:
        with grpc.insecure_channel(self._environment.grpc("directory")) as channel:
            module = directory.Module(name="call_out", is_purchased=True, is_enabled=True)
            stub = directory_pb2_grpc.DirectoryServiceStub(channel)
            stub.UpdateModule(directory.UpdateModuleRequest(module=module), metadata=self.authorization)

    def _is_ready(self, name: str, address: str) -> bool:
        process = self._processes[name]
        if process.poll() is not None:
            log = "\n".join(last_lines(self._places.logs / f"{name}.log"))
            raise RuntimeError(f"{name} ended with {process.returncode}:\n{log}")
        connection = http.client.HTTPConnection(address, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def running() -> Iterator[System]:
    """Yield a running system in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="lantern-bench-"))
    system = System(folder)
    try:
        yield system
    finally:
        system.close()
        shutil.rmtree(folder, ignore_errors=True)
