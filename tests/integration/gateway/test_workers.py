"""The gateway as a process of several workers: each can be looked at, on a port of its own."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from deploy.local.ports import free_port
from tests.support.eventually import eventually_sync
from tests.support.postgres import Databases
from tests.support.tokens import Tokens

SERVICES = ("directory", "queue", "moderation", "reports", "notify")


@pytest.fixture(autouse=True)
def present() -> None:
    """Start no services: these tests look at a gateway that is alone."""


def two_free_ports() -> int:
    """Return a port that is free, as is the next."""
    while True:
        port = free_port()
        with suppress(OSError), socket.create_server(("127.0.0.1", port + 1)):
            return port


@pytest.fixture
def ports(databases: Databases, tokens: Tokens, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The port of the pages, and the first of two for metrics, of a gateway with two workers."""
    listen, metrics = free_port(), two_free_ports()
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        **{f"{name.upper()}_ADDRESS": f"127.0.0.1:{free_port()}" for name in SERVICES},
        "LISTEN": f"127.0.0.1:{listen}",
        "METRICS_LISTEN": f"127.0.0.1:{metrics}",
        "WORKERS": "2",
        "THREADS": "16",
        "DATABASE_URL": databases.copy("gateway").url,
        "SESSION_SECRET": "s" * 40,
        "GATEWAY_KEY": json.dumps(tokens.gateway.as_dict(private=True)),
        "SERVICE_TOKEN": tokens.service("directory.read", name="gateway"),
    }
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "services.gateway", "wsgi"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    yield listen, metrics
    assert process.poll() is None, (tmp_path / "log").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError as problem:
        raise AssertionError(f"nothing answers at {port}") from problem
    finally:
        connection.close()


def test_each_worker_says_how_it_is_and_what_it_measured(ports: tuple[int, int]) -> None:
    listen, metrics = ports
    for port in (metrics, metrics + 1):
        status, text = eventually_sync(partial(get, port, "/readyz"), 60)
        assert (status, set(json.loads(text)["failing"])) == (503, set(SERVICES))
        status, text = get(port, "/metrics")
        assert status == 200
        assert "lantern_service_token_left_seconds" in text
        assert (get(port, "/healthz")[0], get(port, "/nothing")[0]) == (200, 404)
    assert eventually_sync(partial(get, listen, "/healthz"), 60)[0] == 200
