"""Styles, scripts and icons at addresses that hold a hash of their content, so that browsers may keep them for ever.

Browser libraries are served as npm installed them, our own files from static/. Everything is read and compressed once,
at the start of the process.
"""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_STATIC = Path(__file__).resolve().parent / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_LIBRARIES = {
    "bootstrap.css": _ROOT / "node_modules/bootstrap/dist/css/bootstrap.min.css",
    "htmx.js": _ROOT / "node_modules/htmx.org/dist/htmx.min.js",
}


@dataclass(frozen=True)
class Asset:
    """One file, as it is sent."""

    content: bytes
    compressed: bytes
    content_type: str


class MissingLibraryError(Exception):
    """The browser libraries are not installed; `npm ci --ignore-scripts` does it."""


class Assets:
    """All files by their address."""

    def __init__(self) -> None:
        """Read every file. MissingLibraryError when a library is not installed."""
        self._addresses: dict[str, str] = {}
        self._assets: dict[str, Asset] = {}
        for name, path in (_LIBRARIES | {path.name: path for path in sorted(_STATIC.iterdir())}).items():
            self._read(name, path)

    def address(self, name: str) -> str:
        """Return the address of a file by its name; KeyError when there is none."""
        return f"/assets/{self._addresses[name]}"

    def find(self, key: str) -> Asset | None:
        """Return the file at `<hash>/<name>`."""
        return self._assets.get(key)

    def _read(self, name: str, path: Path) -> None:
        try:
            content = path.read_bytes()
        except FileNotFoundError as problem:
            raise MissingLibraryError(f"{path.name} is missing: run npm ci --ignore-scripts") from problem
        key = f"{hashlib.sha256(content).hexdigest()[:16]}/{name}"
        kind = _TYPES[path.suffix]
        self._addresses[name] = key
        self._assets[key] = Asset(content, gzip.compress(content, 9, mtime=0), f"{kind}; charset=utf-8")
