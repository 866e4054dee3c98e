"""The small HTTP server of a process: /metrics for Prometheus, /healthz and /readyz for whoever keeps it running."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from services.kit.health import Health


class Observation:
    """Serves on a thread of its own, so that a busy loop can still be looked at."""

    def __init__(self, listen: str, health: Health) -> None:
        """Listen on HOST:PORT; port 0 lets the system choose."""
        host, _, port = listen.rpartition(":")
        self._server = ThreadingHTTPServer((host, int(port)), _handler(health))
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="observation", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _handler(health: Health) -> type[BaseHTTPRequestHandler]:
    def ready() -> tuple[int, str, bytes]:
        failing = dict(health.failing)
        return 503 if failing else 200, "application/json", json.dumps({"failing": failing}).encode()

    pages: dict[str, Callable[[], tuple[int, str, bytes]]] = {
        "/metrics": lambda: (200, CONTENT_TYPE_LATEST, generate_latest()),
        "/healthz": lambda: (200, "application/json", b"{}"),
        "/readyz": ready,
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer one of the three pages."""
            status, kind, body = pages.get(self.path, lambda: (404, "text/plain", b""))()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
            """Stay silent: probes come every few seconds."""

    return Handler
