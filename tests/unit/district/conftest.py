"""One district and its traffic for all tests of this folder."""

import csv
from datetime import date
from pathlib import Path

import pytest

from deploy.local.district.build import build
from deploy.local.district.history.record import Line, history
from deploy.local.district.model import District
from deploy.local.district.oneroster import write

AS_OF = date(2026, 11, 24)
EVERY_CHANNEL = ("email", "sms", "push", "tts", "recorded", "poll", "signup")
Tables = dict[str, list[dict[str, str]]]


@pytest.fixture(scope="session")
def district() -> District:
    return build(20, 1600, AS_OF)


@pytest.fixture(scope="session")
def tables(district: District, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    folder = tmp_path_factory.mktemp("roster")
    write(district, folder)
    return {path.stem: read(path) for path in folder.glob("*.csv")}


@pytest.fixture(scope="session")
def lines(district: District) -> list[Line]:
    return list(history(district, AS_OF, EVERY_CHANNEL))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
