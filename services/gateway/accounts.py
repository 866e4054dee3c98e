"""Adding accounts from JSON lines, as operators and the sample district do."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.gateway import store
from services.gateway.database import transaction
from services.gateway.sessions import hash_password
from services.kit.errors import InvalidArgument

_AT_ONCE = 2


class NewAccount(BaseModel):
    """One line: who may sign in."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    username: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=8, max_length=1024)
    person_id: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def read_accounts(lines: Iterable[str]) -> list[NewAccount]:
    """Return the accounts, one a line. InvalidArgument names every line that is wrong; then none is taken."""
    accounts, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            accounts.append(NewAccount.model_validate_json(line))
        except ValidationError as problem:
            words = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problem.errors())
            problems.append((f"/{number}", words))
    if problems:
        raise InvalidArgument("ACCOUNTS_INVALID", "Some lines cannot be read.", violations=problems)
    return accounts


def add_accounts(engine: sa.Engine, accounts: list[NewAccount]) -> int:
    """Store the accounts, replacing those of the same name or person; return how many."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        hashes = list(pool.map(hash_password, [each.password for each in accounts]))
    with transaction(engine) as connection:
        for account, password_hash in zip(accounts, hashes, strict=True):
            row = store.Account(account.username.strip().lower(), password_hash, account.person_id)
            store.put_account(connection, row)
    return len(accounts)
