"""The vendor simulator as a real process, and a receiver for the webhooks that it sends.

Use it in a folder's conftest.py: `from tests.support.vendors import receiver, vendor_process, vendors  # noqa: F401`.
"""

import json
import os
import selectors
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode
from urllib.request import Request, urlopen

import pytest

from tests.support.eventually import eventually_sync

START_SECONDS = 20.0
ACCOUNT_SID = "AC" + "5" * 32
AUTH_TOKEN = "test-twilio-token"
FROM_NUMBER = "+12125550100"
AWS_KEY = "AKIATESTLANTERN00001"
AWS_SECRET = "test-aws-secret"
MODAPI_KEY = "test-modapi-key"
MODAPI_WEBHOOK_SECRET = "test-modapi-webhook-secret"
CONFIGURATION_SET = "lantern"
PLATFORM_APPLICATION = "arn:aws:sns:us-east-1:123456789012:app/GCM/lantern"

ENVIRONMENT = {
    "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
    "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    "TWILIO_FROM_NUMBER": FROM_NUMBER,
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": AWS_KEY,
    "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
    "SES_CONFIGURATION_SET": CONFIGURATION_SET,
    "SES_FROM_ADDRESS": "Lantern Schools <office@example.org>",
    "MODAPI_SECRET_KEY": MODAPI_KEY,
    "MODAPI_WEBHOOK_SECRET": MODAPI_WEBHOOK_SECRET,
}


@dataclass
class VendorSimulator:
    """A running simulator. Every method raises urllib.error.HTTPError when the simulator refuses."""

    url: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, *flags: str, environment: Mapping[str, str] | None = None) -> "VendorSimulator":
        """Start one on a free port and wait until it listens. RuntimeError if it does not."""
        wanted = [sys.executable, "-m", "deploy.vendors", "--listen", "127.0.0.1:0", "--retry-scale", "0.01", *flags]
        process = subprocess.Popen(
            wanted, stdout=subprocess.PIPE, text=True, env={**os.environ, **ENVIRONMENT, **(environment or {})}
        )
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(START_SECONDS) else ""
        if not line:
            process.kill()
            process.wait()
            process.stdout.close()
            raise RuntimeError("the vendor simulator did not start")
        return cls(json.loads(line)["listening"], process)

    def stop(self) -> int:
        """End it and return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """GET a JSON address."""
        address = f"{self.url}{path}" + (f"?{urlencode(query, doseq=True)}" if query else "")
        with urlopen(address, timeout=10) as response:  # noqa: S310 - always our own http address
            return dict(json.load(response))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """POST JSON and read the JSON answer."""
        request = Request(f"{self.url}{path}", json.dumps(body or {}).encode(), method="POST")  # noqa: S310
        with urlopen(request, timeout=10) as response:  # noqa: S310
            return dict(json.load(response))

    def modes(self, **providers: Mapping[str, Any]) -> None:
        """Set outage modes: modes(ses={"mode": "429"})."""
        self.post("/control/modes", providers)

    def reset(self) -> None:
        """Forget everything but topics and push endpoints."""
        self.post("/control/reset")

    def arrivals(self, **query: Any) -> list[dict[str, Any]]:
        """Arrivals, newest first; filters channel, to, tag ("name=value"), after, limit."""
        return list(self.get("/arrived.json", **{"limit": 10_000, **query})["arrivals"])

    def counts(self) -> dict[str, Any]:
        """Exact counts: total, recipients, reached, doubles, repeats, by_channel."""
        return self.get("/control/arrival_counts")

    def wait_quiet(self, seconds: float = 10.0) -> None:
        """Wait until no receipt and no webhook is on its way. AssertionError if that takes longer."""

        def check() -> None:
            assert self.get("/control/state")["pending"] == 0

        eventually_sync(check, seconds)


@dataclass(frozen=True)
class Received:
    """One request that reached the receiver."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        return dict(json.loads(self.body))


class _Listener(ThreadingHTTPServer):
    """Takes a burst: the standard backlog of five drops connections, and TCP repeats them seconds later."""

    request_queue_size = 1024


class Receiver:
    """An HTTP server that keeps what it gets. `answer` decides status and text by request; at first always 200."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.answer: Callable[[Received], tuple[int, str]] = lambda _received: (200, "")
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.path, headers, body, time.monotonic())
                status, text = receiver.answer(received)
                receiver.requests.append(received)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
                """Stay silent."""

        self._server = _Listener(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait_for(self, count: int, where: Callable[[Received], bool] = lambda _received: True) -> list[Received]:
        """Wait for at least `count` requests that fit, and return them."""

        def check() -> list[Received]:
            found = [received for received in list(self.requests) if where(received)]
            assert len(found) >= count, f"{len(found)} of {count} requests came"
            return found

        return eventually_sync(check)


@pytest.fixture(scope="session")
def vendor_process() -> Iterator[VendorSimulator]:
    """One simulator for the run, with quick receipts."""
    simulator = VendorSimulator.start("--receipt-seconds", "0.02", "--slow-seconds", "0.3")
    yield simulator
    assert simulator.stop() == 0


@pytest.fixture
def vendors(vendor_process: VendorSimulator) -> VendorSimulator:
    """The run's simulator as if it were new (topics and push endpoints stay)."""
    vendor_process.reset()
    return vendor_process


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    made = Receiver()
    yield made
    made.close()
