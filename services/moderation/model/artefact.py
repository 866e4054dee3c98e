"""Reads and writes the trained files: npz and json only.

Each checked against its sha256 before a byte of it is used.
"""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARTEFACTS = Path(__file__).with_name("artefacts")
MANIFEST = "manifest.json"


class DamagedArtefact(RuntimeError):
    """A trained file is missing or is not the one that the manifest names; the model must not start."""


def write_manifest(folder: Path) -> str:
    """Write the checksums of every file in ``folder``; return the version, which is made of them."""
    sums = {path.name: _sum(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST}
    version = "lantern-" + hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:12]
    (folder / MANIFEST).write_text(json.dumps({"version": version, "sha256": sums}, indent=1) + "\n", encoding="utf-8")
    return version


def verify(folder: Path = ARTEFACTS) -> str:
    """Return the version after checking every file; raises DamagedArtefact."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        wrong = [name for name, expected in manifest["sha256"].items() if _sum(folder / name) != expected]
    except (OSError, ValueError, KeyError) as error:
        raise DamagedArtefact(f"The model's files in {folder} cannot be read: {error}") from error
    if wrong:
        raise DamagedArtefact(f"The model's files {wrong} in {folder} do not match their checksums.")
    return str(manifest["version"])


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]], names: dict[str, list[str]]) -> None:
    """Write arrays and lists of strings (one a line) as one compressed npz; the same input gives the same bytes."""
    packed = {key: np.frombuffer("\n".join(lines).encode(), dtype=np.uint8) for key, lines in names.items()}
    buffer = io.BytesIO()
    everything: dict[str, Any] = {**arrays, **packed}
    np.savez_compressed(buffer, **everything)
    path.write_bytes(buffer.getvalue())


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an npz; pickled objects are refused."""
    with np.load(path, allow_pickle=False) as file:
        return {key: file[key] for key in file.files}


def unpack_names(packed: NDArray[np.uint8]) -> list[str]:
    """Return the strings that ``save_arrays`` packed."""
    return packed.tobytes().decode().split("\n")
