"""All SQL of the gateway: accounts, sessions, attempts to sign in, preferences, uploaded lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from services.gateway.tables import accounts, recipient_lists, sessions, sign_in_attempts, view_preferences

_ATTEMPTS_A_LOT = 10_000


class Account(NamedTuple):
    """Who may sign in."""

    username: str
    password_hash: str
    person_id: str


class SessionRow(NamedTuple):
    """A session as stored."""

    person_id: str
    created_at: datetime
    seen_at: datetime
    ends_at: datetime
    school_id: str = ""
    """The school chosen to work in; empty when none was."""


class RecipientList(NamedTuple):
    """An uploaded list: its good rows, and the bad ones by line."""

    list_id: str
    file_name: str
    entries: list[dict[str, str]]
    problems: list[dict[str, Any]]


def find_account(connection: sa.Connection, username: str) -> Account | None:
    """Return the account with this name, which is in lower case."""
    columns = (accounts.c.username, accounts.c.password_hash, accounts.c.person_id)
    row = connection.execute(sa.select(*columns).where(accounts.c.username == username)).one_or_none()
    return Account(*row) if row else None


def put_account(connection: sa.Connection, account: Account) -> None:
    """Add the account, or replace what is known under its name or for its person, whose sessions end."""
    is_replaced = sa.or_(accounts.c.username == account.username, accounts.c.person_id == account.person_id)
    replaced = sa.delete(accounts).where(is_replaced).returning(accounts.c.person_id)
    people = connection.scalars(replaced).all()
    connection.execute(sa.delete(sessions).where(sessions.c.person_id.in_(people)))
    connection.execute(sa.insert(accounts).values(**account._asdict()))


def set_password_hash(connection: sa.Connection, username: str, password_hash: str) -> None:
    """Replace the hash, with the same password under stronger parameters."""
    connection.execute(sa.update(accounts).where(accounts.c.username == username).values(password_hash=password_hash))


def add_session(connection: sa.Connection, token_hash: bytes, session: SessionRow) -> None:
    """Store a new session."""
    connection.execute(sa.insert(sessions).values(token_hash=token_hash, **session._asdict()))


def find_session(connection: sa.Connection, token_hash: bytes) -> SessionRow | None:
    """Return the session of a token, ended or not."""
    columns = (sessions.c[name] for name in SessionRow._fields)
    row = connection.execute(sa.select(*columns).where(sessions.c.token_hash == token_hash)).one_or_none()
    return SessionRow(*row) if row else None


def touch_session(connection: sa.Connection, token_hash: bytes, seen_at: datetime) -> None:
    """Note that the session was used."""
    connection.execute(sa.update(sessions).where(sessions.c.token_hash == token_hash).values(seen_at=seen_at))


def set_working_school(connection: sa.Connection, token_hash: bytes, school_id: str) -> None:
    """Note the school that the person works in for the rest of the session."""
    connection.execute(sa.update(sessions).where(sessions.c.token_hash == token_hash).values(school_id=school_id))


def end_session(connection: sa.Connection, token_hash: bytes) -> None:
    """Forget a session."""
    connection.execute(sa.delete(sessions).where(sessions.c.token_hash == token_hash))


def forget_old(connection: sa.Connection, now: datetime, attempts_before: datetime, lists_before: datetime) -> None:
    """Delete what no longer counts; of attempts a lot, and none that somebody else deletes at the moment."""
    connection.execute(sa.delete(sessions).where(sessions.c.ends_at < now))
    connection.execute(sa.delete(recipient_lists).where(recipient_lists.c.created_at < lists_before))
    old = sa.select(sign_in_attempts.c.attempt_id).where(sign_in_attempts.c.made_at < attempts_before)
    lot = old.limit(_ATTEMPTS_A_LOT).with_for_update(skip_locked=True).cte("lot")
    connection.execute(sa.delete(sign_in_attempts).where(sign_in_attempts.c.attempt_id == lot.c.attempt_id))


def add_attempt(connection: sa.Connection, attempt_id: str, key: bytes, made_at: datetime) -> None:
    """Count an attempt, before it is known how it ends; nothing when it is counted already."""
    attempt = insert(sign_in_attempts).values(attempt_id=attempt_id, key=key, made_at=made_at)
    connection.execute(attempt.on_conflict_do_nothing())


def has_attempt(connection: sa.Connection, attempt_id: str) -> bool:
    """Tell whether this attempt is counted."""
    found = sa.select(sa.exists().where(sign_in_attempts.c.attempt_id == attempt_id))
    return bool(connection.execute(found).scalar_one())


def attempts_since(connection: sa.Connection, key: bytes, since: datetime) -> Sequence[datetime]:
    """Return the times of the attempts under a key, the oldest first."""
    made_at = sign_in_attempts.c.made_at
    query = sa.select(made_at).where(sign_in_attempts.c.key == key, made_at >= since).order_by(made_at)
    return connection.execute(query).scalars().all()


def forget_attempts(connection: sa.Connection, key: bytes) -> None:
    """Forget all attempts under a key."""
    connection.execute(sa.delete(sign_in_attempts).where(sign_in_attempts.c.key == key))


def forget_attempt(connection: sa.Connection, attempt_id: str) -> None:
    """Forget one attempt."""
    connection.execute(sa.delete(sign_in_attempts).where(sign_in_attempts.c.attempt_id == attempt_id))


def hidden_columns(connection: sa.Connection, person_id: str, report: str) -> list[str] | None:
    """Return the columns that the person has hidden in the report; None when they never chose."""
    query = sa.select(view_preferences.c.hidden_columns).where(
        view_preferences.c.person_id == person_id, view_preferences.c.report == report
    )
    found: list[str] | None = connection.execute(query).scalar_one_or_none()
    return found


def set_hidden_columns(connection: sa.Connection, person_id: str, report: str, hidden: Sequence[str]) -> None:
    """Keep the columns that the person hides in the report."""
    row = {"person_id": person_id, "report": report, "hidden_columns": list(hidden)}
    change = insert(view_preferences).values(row)
    connection.execute(
        change.on_conflict_do_update(
            index_elements=["person_id", "report"], set_={"hidden_columns": change.excluded.hidden_columns}
        )
    )


def add_list(connection: sa.Connection, person_id: str, uploaded: RecipientList, created_at: datetime) -> None:
    """Keep an uploaded list until its message is sent."""
    connection.execute(
        sa.insert(recipient_lists).values(person_id=person_id, created_at=created_at, **uploaded._asdict())
    )


def find_list(connection: sa.Connection, person_id: str, list_id: str) -> RecipientList | None:
    """Return a list that this person uploaded."""
    columns = (
        recipient_lists.c.list_id,
        recipient_lists.c.file_name,
        recipient_lists.c.entries,
        recipient_lists.c.problems,
    )
    query = sa.select(*columns).where(recipient_lists.c.list_id == list_id, recipient_lists.c.person_id == person_id)
    row = connection.execute(query).one_or_none()
    return RecipientList(*row) if row else None
