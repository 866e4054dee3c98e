"""The small HTTP server of a process: /metrics for Prometheus, /healthz and /readyz for whoever keeps it running."""

import errno
import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Failing = Callable[[], Mapping[str, str]]
"""Says what does not answer, by name, and why; nothing of what does."""


class Observation:
    """Serves on a thread of its own, so that a busy loop can still be looked at."""

    def __init__(self, listen: str, failing: Failing, ports: int = 1) -> None:
        """Listen on HOST:PORT, or on the first free one of so many from there; port 0 lets the system choose.

        OSError when none of them is free.
        """
        self._server = _server(listen, ports, _handler(failing))
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="observation", daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _server(listen: str, ports: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    host, _, port = listen.rpartition(":")
    for offset in range(ports - 1):
        try:
            return ThreadingHTTPServer((host, int(port) + offset), handler)
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE:
                raise
    return ThreadingHTTPServer((host, int(port) + ports - 1), handler)


def _handler(failing: Failing) -> type[BaseHTTPRequestHandler]:
    def ready() -> tuple[int, str, bytes]:
        found = dict(failing())
        return 503 if found else 200, "application/json", json.dumps({"failing": found}).encode()

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
