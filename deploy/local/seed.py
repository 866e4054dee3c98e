"""Loads the sample district into a running system, through the doors that a real district uses.

The roster goes to directory's import, accounts to the gateway's command, past traffic to the queue's history import,
and today's messages through the whole pipeline. Every step may be repeated after a failure: nothing comes in twice.
Reads the environment that the launcher gives, and writes accounts.json and summary.json into LANTERN_LOCAL.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from deploy.local import absences, senders
from deploy.local.district import __main__ as district_files
from deploy.local.district.build import DEFAULT_SEED, DEFAULT_STUDENTS, build, today_in_district
from deploy.local.district.directory_ids import fetch_ids
from deploy.local.district.history import __main__ as history_files
from deploy.local.district.history.wire import HistoryWire, Ids
from deploy.local.today import Today
from protos.directory.v1 import directory_pb2
from protos.directory.v1.directory_pb2_grpc import DirectoryServiceStub
from protos.queue.v1 import queue_pb2
from protos.queue.v1.attendance_pb2_grpc import AttendanceServiceStub
from protos.queue.v1.queue_pb2_grpc import QueueServiceStub
from protos.queue.v1.senders_pb2_grpc import SenderServiceStub
from protos.queue.v1.surveys_pb2_grpc import SurveyServiceStub
from services.kit.rpc_client import async_channel

_CHUNK = 1024 * 1024
_LONG_SECONDS = 300.0


def main() -> int:
    """Load everything, say each step on stdout, and return the exit code."""
    local = Path(os.environ["LANTERN_LOCAL"])
    folder = local / "district"
    folder.mkdir(exist_ok=True)
    as_of = today_in_district()
    print("Writing the sample district", flush=True)
    district_files.main(["--out", str(folder), "--as-of", as_of.isoformat()])
    history_files.main(["--out", str(folder / "history.jsonl"), "--as-of", as_of.isoformat()])
    asyncio.run(_load(local, folder))
    return 0


async def _load(local: Path, folder: Path) -> None:
    directory_channel = async_channel(
        os.environ["DIRECTORY_ADDRESS"], [directory_pb2.DESCRIPTOR.services_by_name["DirectoryService"]], _token
    )
    queue_channel = async_channel(
        os.environ["QUEUE_ADDRESS"], [queue_pb2.DESCRIPTOR.services_by_name["QueueService"]], _token
    )
    async with directory_channel, queue_channel:
        directory, queue = DirectoryServiceStub(directory_channel), QueueServiceStub(queue_channel)
        print("Importing the roster", flush=True)
        await import_roster(directory, folder)
        ids = await fetch_ids(directory)
        add_accounts(local, folder, ids)
        print("Importing sixty days of past traffic", flush=True)
        imported = await _import_history(queue, folder, ids)
        messages = json.loads((folder / "today.json").read_text(encoding="utf-8"))
        today = Today(directory, queue, SurveyServiceStub(queue_channel), ids, messages)
        await senders.set_senders(SenderServiceStub(queue_channel))
        print("Making an attendance rule and recording absences", flush=True)
        await _add_absences(AttendanceServiceStub(queue_channel), ids)
        print("Sending today's messages", flush=True)
        summary = {"imported": imported, **await today.send()}
    (local / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


def _token() -> str:
    return os.environ["SERVICE_TOKEN"]


async def import_roster(directory: Any, folder: Path) -> None:
    """Switch modules and the schools' field on, and import the folder's OneRoster set. SystemExit for a refused row."""
    for name in ("call_out", "moderation_api", "translation"):
        module = directory_pb2.Module(name=name, is_purchased=True, is_enabled=True)
        await directory.UpdateModule(directory_pb2.UpdateModuleRequest(module=module))
    await _enable_exclusion(directory)
    answer = await directory.ImportRoster(iter(_roster_pieces(folder)), timeout=_LONG_SECONDS)
    if answer.problem_count:
        raise SystemExit(f"The roster has {answer.problem_count} refused rows; the first: {answer.problems[0]}")


async def _enable_exclusion(directory: Any) -> None:
    """Enable the system field of schools for whoever manages the directory, unless somebody changed it before."""
    (field,) = (await directory.ListSchoolFields(directory_pb2.ListSchoolFieldsRequest())).fields
    if field.version > 1:
        return
    profiles = (await directory.ListProfiles(directory_pb2.ListProfilesRequest())).profiles
    mine = [each.profile_id for each in profiles if "manage_directory" in each.permissions]
    field.MergeFrom(directory_pb2.SchoolField(is_enabled=True, is_on_school_info=True, viewers=mine, editors=mine))
    await directory.UpdateSchoolField(directory_pb2.UpdateSchoolFieldRequest(field=field))


def _roster_pieces(folder: Path) -> Iterator[directory_pb2.ImportRosterRequest]:
    for file in sorted(folder.glob("*.csv")):
        content = file.read_bytes()
        for start in range(0, len(content), _CHUNK):
            yield directory_pb2.ImportRosterRequest(file_name=file.name, chunk=content[start : start + _CHUNK])


def add_accounts(local: Path, folder: Path, ids: Ids) -> None:
    """Give the gateway one account for each sample sign-in, with passwords that are made once and kept."""
    file = local / "accounts.json"
    known = {each["username"]: each["password"] for each in json.loads(file.read_text())} if file.exists() else {}
    accounts = json.loads((folder / "accounts.json").read_text(encoding="utf-8"))
    for each in accounts:
        each["password"] = known.get(each["username"]) or secrets.token_urlsafe(9)
        each["person_id"] = ids.people[each.pop("sourced_id")]
        each["schools"] = [ids.schools.get(school, school) for school in each["schools"]]
    file.touch(mode=0o600)
    file.write_text(json.dumps(accounts), encoding="utf-8")
    lines = [json.dumps({name: each[name] for name in ("username", "password", "person_id")}) for each in accounts]
    command = [sys.executable, "-m", "services.gateway", "add-accounts"]
    subprocess.run(command, input="\n".join(lines), text=True, check=True, stdout=subprocess.DEVNULL)


async def _import_history(queue: Any, folder: Path, ids: Ids) -> int:
    wire = HistoryWire(build(DEFAULT_SEED, DEFAULT_STUDENTS, today_in_district()), ids)
    lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()

    async def pieces() -> AsyncIterator[queue_pb2.ImportHistoryRequest]:
        for line in lines:
            for piece in wire.requests(json.loads(line)):
                yield piece

    answer = await queue.ImportHistory(pieces(), timeout=_LONG_SECONDS)
    if answer.problems:
        raise SystemExit(f"{len(answer.problems)} past messages were refused; the first: {answer.problems[0]}")
    return int(answer.imported + answer.repeated_messages)


async def _add_absences(stub: Any, ids: Ids) -> None:
    district = build(DEFAULT_SEED, DEFAULT_STUDENTS, today_in_district())
    owner = next(each for each in district.people if each.profile == "District administrator" and each.has_account)
    students = [each.sourced_id for each in district.students]
    await absences.add(stub, ids.people[owner.sourced_id], students, today_in_district())


if __name__ == "__main__":
    raise SystemExit(main())
