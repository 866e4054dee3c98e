"""Addresses of the servers that a process needs, as PostgreSQL's and NATS's own tools take them: of several, too."""

import re
from urllib.parse import quote, unquote, urlsplit

import psycopg
import sqlalchemy as sa
from psycopg.conninfo import conninfo_to_dict

_DATABASE = "should be postgresql://USER:PASSWORD@HOST/DATABASE, HOST being one or several (HOST:PORT,HOST:PORT)"
_PASSWORD = re.compile("^(postgresql://[^:/@]*:)([^@]*)(?=@)")
_NATS = "should be nats://USER:PASSWORD@HOST:PORT, or several of these with commas between them"


def driver_url(url: str) -> sa.URL:
    """Return a postgresql://… address as SQLAlchemy's, on psycopg. ValueError when it is no such address.

    Of several servers the one that takes changes is used, unless the address says otherwise (target_session_attrs).
    A password is everything up to the @, with / and % as they are or as %2F and %25.
    """
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(_PASSWORD.sub(_quoted, url)).items()}
    except psycopg.ProgrammingError:
        # Its text quotes the address, password and all.
        raise ValueError(_DATABASE) from None
    if not url.startswith("postgresql://") or not re.fullmatch("[0-9,]*", parts.get("port", "")):
        raise ValueError(_DATABASE)
    if "," in parts.get("host", ""):
        parts.setdefault("target_session_attrs", "read-write")
    user, password, database = (parts.pop(name, None) for name in ("user", "password", "dbname"))
    return sa.URL.create("postgresql+psycopg", user, password, database=database, query=parts)


def _quoted(found: re.Match[str]) -> str:
    """Return a password as libpq takes it, which knows none with a / and no % that begins no escape."""
    return found[1] + quote(unquote(found[2]), safe="")


def nats_servers(addresses: str) -> list[str]:
    """Return each server of nats://… addresses with commas between them. ValueError when one is no such address."""
    servers = [each.strip() for each in addresses.split(",")]
    if not all(map(_is_nats, servers)):
        raise ValueError(_NATS)
    return servers


def _is_nats(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in {"nats", "tls"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
