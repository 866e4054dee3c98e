"""Where the generator gets its material: data files, random streams and identifiers that depend on the seed alone."""

import csv
import json
import random
import uuid
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lincolncounty.example.org")


@cache
def data(name: str) -> Any:
    """Return the content of data/<name>.json. Callers must not change it."""
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


@cache
def profiles() -> tuple[Mapping[str, str], ...]:
    """Return the rows of data/profiles.csv."""
    with (DATA / "profiles.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def stream(seed: int, purpose: str) -> random.Random:
    """Return a random stream of its own for a purpose, so that a change to one part leaves the others as they were."""
    return random.Random(f"{seed}/{purpose}")


def identifier(seed: int, kind: str, number: int | str) -> str:
    """Return the UUID that names this object in every run with this seed."""
    return str(uuid.uuid5(NAMESPACE, f"{seed}/{kind}/{number}"))


def pick_weighted(rng: random.Random, weights: Mapping[str, float]) -> str:
    """Return a key with a chance in proportion to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]
