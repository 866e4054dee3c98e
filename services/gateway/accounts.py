"""Adding accounts from JSON lines, as operators and the sample district do."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from protos.directory.v1 import directory_pb2 as pb
from protos.directory.v1 import directory_pb2_grpc
from services.gateway import store
from services.gateway.config import AccountsSettings
from services.gateway.database import transaction
from services.gateway.sessions import hash_password
from services.kit.errors import InvalidArgument
from services.kit.rpc_client import sync_channel
from services.kit.rpc_errors import translated

_AT_ONCE = 2
_PEOPLE_AT_ONCE = 500
_DEADLINE_SECONDS = 30.0
FindPeople = Callable[[Sequence[str]], dict[str, str]]
"""Answers person ids by sourced_id, of those that directory knows."""


class NewAccount(BaseModel):
    """One line: who may sign in, by directory's id or by the student information system's."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=8, max_length=1024)
    person_id: str = Field(default="", pattern=r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$")
    sourced_id: str = Field(default="", max_length=255)

    @model_validator(mode="after")
    def _names_one_person(self) -> Self:
        if bool(self.person_id) == bool(self.sourced_id):
            raise ValueError("name the person by person_id or by sourced_id")
        return self


def read_accounts(lines: Iterable[str], find_people: FindPeople) -> list[NewAccount]:
    """Return the accounts with their person ids, one a line.

    InvalidArgument names every line that is wrong or names nobody; then none is taken. Raises what directory answers.
    """
    accounts: dict[int, NewAccount] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            accounts[number] = NewAccount.model_validate_json(line)
        except ValidationError as problem:
            words = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problem.errors())
            problems.append((f"/{number}", words))
    named = [each.sourced_id for each in accounts.values() if each.sourced_id]
    found = find_people(named) if named else {}
    for number, each in accounts.items():
        each.person_id = each.person_id or found.get(each.sourced_id, "")
        if not each.person_id:
            problems.append((f"/{number}", "Directory knows nobody by this sourced_id: import the roster first."))
    if problems:
        raise InvalidArgument(
            "ACCOUNTS_INVALID",
            "Some lines cannot be taken.",
            violations=sorted(problems, key=lambda one: int(one[0][1:])),
        )
    return list(accounts.values())


def people_in_directory(settings: AccountsSettings) -> FindPeople:
    """Return what asks directory. It raises InvalidArgument where the settings do not say where directory is."""

    def find(sourced_ids: Sequence[str]) -> dict[str, str]:
        if not settings.directory_address:
            raise InvalidArgument("DIRECTORY_NEEDED", "Lines name people by sourced_id: set DIRECTORY_ADDRESS.")
        token, service = settings.service_token.get_secret_value(), pb.DESCRIPTOR.services_by_name["DirectoryService"]
        with sync_channel(
            settings.directory_address,
            [service],
            lambda: token,
            authority=settings.tls_authority,
            deadline_seconds=_DEADLINE_SECONDS,
        ) as channel:
            stub = directory_pb2_grpc.DirectoryServiceStub(channel)
            found: dict[str, str] = {}
            for start in range(0, len(sourced_ids), _PEOPLE_AT_ONCE):
                wanted = pb.BatchGetPeopleRequest(sourced_ids=sourced_ids[start : start + _PEOPLE_AT_ONCE])
                with translated():
                    found |= {each.sourced_id: each.person_id for each in stub.BatchGetPeople(wanted).people}
            return found

    return find


def add_accounts(engine: sa.Engine, accounts: list[NewAccount]) -> int:
    """Store the accounts, replacing those of the same name or person; return how many."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        hashes = list(pool.map(hash_password, [each.password for each in accounts]))
    with transaction(engine) as connection:
        for account, password_hash in zip(accounts, hashes, strict=True):
            row = store.Account(account.username.strip().lower(), password_hash, account.person_id)
            store.put_account(connection, row)
    return len(accounts)
