"""Signing in and staying signed in: passwords, sessions, throttling.

A session is a random token in a cookie, known to the database by its hash alone. It ends after two hours without use
and after twelve hours in any case; a page left open that follows threat alerts uses it. Attempts are counted before the
password is looked at, so that many at once count, and those that were right are taken back. Whoever waits for their
turn is not counted yet.
"""

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from services.gateway import store, throttling
from services.gateway.database import transaction
from services.gateway.throttling import WINDOW, key_of, key_of_address
from services.kit.clock import Clock
from services.kit.errors import InvalidArgument, ServiceError, Unauthenticated, Unavailable
from services.kit.logs import get_logger

_log = get_logger(__name__)
IDLE = timedelta(hours=2)
"""A session ends when it was not used for this long."""
LIFE = timedelta(hours=12)
"""A session ends this long after it began."""
_TOUCH = timedelta(minutes=1)
_LISTS_LIVE = timedelta(days=1)
_TRIES_FOR_NAME = 10
_TRIES_FROM_ADDRESS = 100
_LONGEST_PASSWORD = 1024
_LONGEST_WAIT_SECONDS = 10
_hasher = PasswordHasher()
# A hash takes 64 MiB and a core; more at once would starve everyone who is signed in already.
_verifying = threading.Semaphore(2)
_PLACEHOLDER = _hasher.hash(secrets.token_urlsafe())


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password."""
    return _hasher.hash(password)


def sign_in(engine: sa.Engine, clock: Clock, username: str, password: str, address: str) -> str:
    """Begin a session and return its token.

    InvalidArgument when a field is empty, Unauthenticated when name or password is wrong (which of them is not said),
    ResourceExhausted after too many attempts for the name or from the address, Unavailable when too many wait.
    """
    name = username.strip().lower()
    if not name or not password or len(name) > 200 or len(password) > _LONGEST_PASSWORD:
        raise InvalidArgument("SIGN_IN_INCOMPLETE", "Enter your username and your password.")
    by_name, by_address = key_of("name", name), key_of_address("address", address)
    limits = {by_name: _TRIES_FOR_NAME, by_address: _TRIES_FROM_ADDRESS}
    with transaction(engine) as connection:
        account = store.find_account(connection, name)
    with _turn():
        tries = throttling.count(engine, clock, limits, ("TOO_MANY_SIGN_INS", "Too many attempts to sign in."))
        is_right = _verify(account.password_hash if account else _PLACEHOLDER, password)
        if account is None or not is_right:
            raise Unauthenticated("SIGN_IN_WRONG", "The username or the password is not right.")
        _take_back(engine, by_name, tries[by_address])
    return _begin(engine, clock, account, password)


def find_session(engine: sa.Engine, clock: Clock, token: str) -> store.SessionRow | None:
    """Return a session, and note its use; None when it has ended or never was."""
    now, hashed = clock(), _hash(token)
    with transaction(engine) as connection:
        session = store.find_session(connection, hashed)
        if session is None or session.ends_at <= now or session.seen_at + IDLE <= now:
            return None
        if session.seen_at + _TOUCH <= now:
            store.touch_session(connection, hashed, now)
    return session


def work_in(engine: sa.Engine, token: str, school_id: str) -> None:
    """Choose the school that the person of a session is working in."""
    with transaction(engine) as connection:
        store.set_working_school(connection, _hash(token), school_id)


def sign_out(engine: sa.Engine, token: str) -> None:
    """End a session."""
    with transaction(engine) as connection:
        store.end_session(connection, _hash(token))


def _take_back(engine: sa.Engine, by_name: bytes, try_from_address: str) -> None:
    """Forget what was tried for a name, and of its address this one try.

    A whole school signs in from one address, which is not to be used up by that; and nobody who has an account is to
    wipe out the others that they tried from theirs.
    """
    with transaction(engine) as connection:
        store.forget_attempts(connection, by_name)
        store.forget_attempt(connection, try_from_address)


def _begin(engine: sa.Engine, clock: Clock, account: store.Account, password: str) -> str:
    token, now = secrets.token_urlsafe(32), clock()
    row = store.SessionRow(account.person_id, now, now, now + LIFE)
    with transaction(engine) as connection:
        store.add_session(connection, _hash(token), row)
        if _hasher.check_needs_rehash(account.password_hash):
            store.set_password_hash(connection, account.username, hash_password(password))
    _forget_old(engine, now)
    return token


def _forget_old(engine: sa.Engine, now: datetime) -> None:
    """Delete what no longer counts. When that cannot be done now, it costs nobody the session."""
    try:
        with transaction(engine) as connection:
            store.forget_old(connection, now, now - WINDOW, now - _LISTS_LIVE)
    except ServiceError as problem:
        _log.warning("old_rows_kept", reason=problem.reason)


@contextmanager
def _turn() -> Iterator[None]:
    """Wait until a password may be looked at. Unavailable when that takes too long."""
    if not _verifying.acquire(timeout=_LONGEST_WAIT_SECONDS):
        raise Unavailable("SIGN_IN_BUSY", "Too many people are signing in.", retry_after_seconds=5)
    try:
        yield
    finally:
        _verifying.release()


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except VerificationError:
        return False


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
