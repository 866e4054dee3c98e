"""The whole system as real processes, started once for a worker of the tests, with a small district in it."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests

from deploy.local.children import last_lines, spawn
from protos.directory.v1 import directory_pb2, directory_pb2_grpc
from protos.queue.v1 import queue_pb2, queue_pb2_grpc
from tests.e2e.roster import STAFF, roster
from tests.support.eventually import eventually_sync

PASSWORD = "correct horse battery"
STUDENTS = ("student1", "student2")
"""Students with an account."""
_READY_SECONDS = 90.0
_ROOT = Path(__file__).resolve().parents[2]


@dataclass
class System:
    """The running system, and what tests ask of it."""

    folder: Path
    launcher: "subprocess.Popen[bytes]"
    people: dict[str, str] = field(default_factory=dict)
    schools: dict[str, str] = field(default_factory=dict)
    signed_in: dict[str, requests.Session] = field(default_factory=dict)

    @property
    def run(self) -> dict[str, Any]:
        """What run.json says at this moment: process ids change when a process is started again."""
        content: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        return content

    @property
    def url(self) -> str:
        """Where browsers go."""
        return str(self.run["gateway"])

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What an operator's calls carry."""
        return (("authorization", f"Bearer {self.run['service_token']}"),)

    def stub(self, service: str, make: Callable[[grpc.Channel], Any]) -> Any:
        """Return a stub of a service."""
        return make(grpc.insecure_channel(self.run["grpc"][service]))

    def kill(self, part: str) -> None:
        """End every process of a part with SIGKILL, and wait until the launcher has started it again."""
        before = self.run["pids"][part]
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        def is_again() -> None:
            now = self.run["pids"][part]
            assert len(now) == len(before)
            assert not set(now) & set(before)

        eventually_sync(is_again, 30)

    def arrivals(self, channel: str, token: str) -> list[dict[str, Any]]:
        """Return what arrived at the simulator on a channel with these words in it."""
        query = {"channel": channel, "words": token, "limit": "20000"}
        answer = requests.get(f"{self.run['vendors']}/arrived.json", query, timeout=20).json()
        arrivals: list[dict[str, Any]] = answer["arrivals"]
        assert answer["matching"] == len(arrivals)
        return arrivals

    def reached(self, channel: str, token: str) -> Counter[str]:
        """Return how often a message with these words reached each destination."""
        return Counter(each["to"] for each in self.arrivals(channel, token) if each["reaches"])

    def broken_entries(self) -> list[Any]:
        """Return the entries whose counters differ from their rows (statement 62)."""
        queue = self.stub("queue", queue_pb2_grpc.QueueServiceStub)
        answer = queue.CheckInvariant(queue_pb2.CheckInvariantRequest(), metadata=self.metadata, timeout=30)
        assert answer.checked > 0
        return list(answer.broken)

    def rest(self, username: str) -> requests.Session:
        """Return a session of REST that is signed in as somebody, always the same one."""
        if username not in self.signed_in:
            session = requests.Session()
            sign_in = {"username": username, "password": PASSWORD}
            answer = session.post(f"{self.url}/api/v1/session", json=sign_in, timeout=20)
            assert answer.status_code == 200, answer.text
            session.headers["X-CSRFToken"] = answer.json()["csrf_token"]
            self.signed_in[username] = session
        return self.signed_in[username]

    def stop(self) -> None:
        """End everything, and remove the folder."""
        self.launcher.terminate()
        try:
            self.launcher.wait(15)
        finally:
            self.launcher.kill()
            shutil.rmtree(self.folder, ignore_errors=True)


@cache
def start() -> System:
    """Start the system, import the roster and add accounts; the same one for every caller of a process."""
    folder = Path(tempfile.mkdtemp(prefix="lantern-system-"))
    # PostgreSQL runs as another user where we are root.
    folder.chmod(0o755)
    log = folder / "launcher.log"
    command = [sys.executable, "-m", "tests.e2e.launch", str(folder)]
    launcher = spawn(command, environment=os.environ, log=log, folder=_ROOT)
    system = System(folder, launcher)

    def is_ready() -> None:
        if launcher.poll() is not None:
            pytest.fail("the launcher ended:\n" + "\n".join(last_lines(log, 40)))
        assert (folder / "run.json").exists(), "the system is not ready"

    try:
        eventually_sync(is_ready, _READY_SECONDS)
        _load(system)
    except BaseException:
        system.stop()
        raise
    return system


def _load(system: System) -> None:
    directory = system.stub("directory", directory_pb2_grpc.DirectoryServiceStub)
    for name in ("call_out", "moderation_api"):
        module = directory_pb2.Module(name=name, is_purchased=True, is_enabled=True)
        directory.UpdateModule(directory_pb2.UpdateModuleRequest(module=module), metadata=system.metadata)
    operator = {"DIRECTORY_ADDRESS": system.run["grpc"]["directory"], "SERVICE_TOKEN": system.run["service_token"]}
    _command("services.directory", "import-roster", _archive(roster()), operator)
    listed = directory.ListSchools(directory_pb2.ListSchoolsRequest(), metadata=system.metadata).schools
    system.schools = {each.sourced_id: each.school_id for each in listed}
    names = [*(each.name for each in STAFF), *(f"Family{each.removeprefix('student'):0>4}" for each in STUDENTS)]
    for name in names:
        wanted = directory_pb2.SearchPeopleRequest(query=name, limit=50)
        found = directory.SearchPeople(wanted, metadata=system.metadata).people
        system.people |= {each.sourced_id: each.person_id for each in found}
    passwords = (system.folder / "secrets" / "gateway.password").read_text(encoding="utf-8")
    database = system.run["postgres"].rsplit("@", 1)[1].rsplit("/", 1)[0]
    accounts = [*(each.username for each in STAFF), *STUDENTS]
    lines = [json.dumps({"username": name, "password": PASSWORD, "sourced_id": name}) for name in accounts]
    owner = {"DATABASE_URL": f"postgresql://gateway:{passwords}@{database}/gateway", **operator}
    _command("services.gateway", "add-accounts", "\n".join(lines).encode(), owner)


def _archive(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def _command(module: str, name: str, content: bytes, environment: Mapping[str, str]) -> None:
    """Run a command of the documents with this on stdin."""
    done = subprocess.run(
        [sys.executable, "-m", module, name],
        input=content,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
