"""Both commands as a person runs them: the same arguments, the same bytes, and today's messages."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SMALL = ("--students", "120", "--as-of", "2026-11-24")


def run(module: str, *arguments: str | Path, hash_seed: str) -> str:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    made = []
    for hash_seed in ("1", "2"):
        folder = tmp_path_factory.mktemp(f"run{hash_seed}")
        run("deploy.local.district", "--out", folder, *SMALL, hash_seed=hash_seed)
        run("deploy.local.district.history", "--out", folder / "history.jsonl", *SMALL, hash_seed=hash_seed)
        made.append(folder)
    return made


def test_the_same_arguments_write_the_same_bytes(folders: list[Path]) -> None:
    first, second = ({path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert sorted(first) == [
        "academicSessions.csv", "accounts.json", "classes.csv", "courses.csv", "demographics.csv", "enrollments.csv",
        "history.jsonl", "manifest.csv", "orgs.csv", "profiles.csv", "roles.csv", "today.json", "users.csv",
    ]  # fmt: skip
    assert first == second


def test_there_is_an_account_to_show_for_every_profile(folders: list[Path]) -> None:
    accounts = json.loads((folders[0] / "accounts.json").read_text("utf-8"))
    assert {account["profile"] for account in accounts} == {
        "District administrator", "District officer", "Principal", "Counsellor", "Secretary", "Teacher", "Student",
        "Parent",
    }  # fmt: skip
    assert all("password" not in account for account in accounts)
    orgs = (folders[0] / "orgs.csv").read_text("utf-8")
    assert all(school == "*" or school in orgs for account in accounts for school in account["schools"])


def test_todays_messages_name_people_of_the_roster(folders: list[Path]) -> None:
    messages = _today(folders[0])
    users = (folders[0] / "users.csv").read_text("utf-8")
    schools = (folders[0] / "orgs.csv").read_text("utf-8")
    assert 12 <= len(messages) <= 20
    for message in messages:
        audience = message["audience"]
        named = [message["sender"]["sourced_id"], *audience["person_ids"], *audience["student_ids"]]
        assert all(one in users for one in named)
        assert all(one in schools for one in audience["school_ids"])
        assert any(audience.values())


def test_todays_messages_have_a_snow_day_for_all_and_threats_to_withhold(folders: list[Path]) -> None:
    messages = {message["key"]: message for message in _today(folders[0])}
    snow = messages["snow-day"]
    assert (snow["source"], snow["audience"]["roles"], snow["audience"]["school_ids"]) == ("district", ["parent"], [])
    assert [one["channel"] for one in snow["channels"]] == ["email", "sms", "push"]
    held = [message for message in messages.values() if message["expected"] == "withheld"]
    assert len(held) == 3
    assert {message["sender"]["profile"] for message in held} == {"Student"}


def _today(folder: Path) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = json.loads((folder / "today.json").read_text("utf-8"))
    return messages
