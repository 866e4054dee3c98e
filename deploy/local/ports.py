"""Ports: free ones the first time, the same ones afterwards, so that bookmarks and scripts keep working."""

import json
import random
import socket
from pathlib import Path

# Linux gives the numbers above to outgoing connections: one could be taken between this moment and the listening.
_NUMBERS = range(20_000, 32_768)
_random = random.SystemRandom()


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free at this moment, and that no outgoing connection will take."""
    while not _is_free(port := _random.choice(_NUMBERS)):
        pass
    return port


class PortBook:
    """Port numbers by name, remembered in a JSON file."""

    def __init__(self, path: Path) -> None:
        """Read what is remembered."""
        self._path = path
        self._chosen: set[str] = set()
        self._ports: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    def port(self, name: str, wanted: int | None = None) -> int:
        """Return the port of that name: the wanted one, else the remembered one if it is free, else a new one.

        The first answer holds for the life of the book: from then on it is our own process that listens there.
        """
        if name in self._chosen:
            return self._ports[name]
        self._chosen.add(name)
        port = wanted or self._ports.get(name)
        if port is None or (not wanted and not _is_free(port)) or self._is_of_another(name, port):
            port = self._new_port()
        self._ports[name] = port
        return port

    def save(self) -> None:
        """Remember for the next time."""
        self._path.write_text(json.dumps(self._ports, indent=2, sort_keys=True), encoding="utf-8")

    def _new_port(self) -> int:
        while (port := free_port()) in self._ports.values():
            pass
        return port

    def _is_of_another(self, name: str, port: int) -> bool:
        return any(number == port for other, number in self._ports.items() if other != name)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
