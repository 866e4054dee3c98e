"""A port that leads to a server, or to nothing: what a process sees of a part that is away and comes back."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_CHUNK = 65_536


class Forwarding:
    """Listens on a port of its own once it is open, and passes everything on to HOST:PORT."""

    def __init__(self, host: str, port: int) -> None:
        """Take a free port, and keep others from it: connections are refused until `open`."""
        self._target = (host, port)
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def open(self) -> None:
        """Lead to the server from here on."""
        self._listener.listen(64)
        self._start(self._accept)

    def close(self) -> None:
        """Refuse new connections, and wait until those that exist have ended."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._threads:
            each.join(10)

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                inner, _ = self._listener.accept()
                self._start(self._join, inner, socket.create_connection(self._target))

    def _join(self, inner: socket.socket, outer: socket.socket) -> None:
        with inner, outer:
            other = self._start(_pass_on, outer, inner)
            _pass_on(inner, outer)
            other.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_CHUNK):
            sink.sendall(piece)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
