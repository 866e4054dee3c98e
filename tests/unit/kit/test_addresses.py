"""Addresses as PostgreSQL's and NATS's own tools take them, of several servers too."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from services.gateway.config import AccountsSettings, GatewaySettings
from services.kit.addresses import driver_url, nats_servers
from services.kit.config import MigrateSettings, ServiceSettings, problems_of
from services.queue.config import RestoredSettings


def given(url: str) -> dict[str, Any]:
    """Return what the driver is given for the address."""
    made = driver_url(url)
    options = sa.create_engine(made).dialect.create_connect_args(made)[1]
    return {name: value for name, value in options.items() if isinstance(value, str)}


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        (
            "postgresql://u:p%40ss@h:5433/d?sslmode=verify-full",
            {"user": "u", "password": "p@ss", "host": "h", "port": "5433", "dbname": "d", "sslmode": "verify-full"},
        ),
        ("postgresql://u@[::1]/d", {"user": "u", "host": "::1", "dbname": "d"}),
        ("postgresql://%2Frun%2Fpostgresql/d", {"host": "/run/postgresql", "dbname": "d"}),
        # Of several servers the one that takes changes is meant.
        (
            "postgresql://u:p@a:5432,b:5433/d",
            {
                "user": "u",
                "password": "p",
                "host": "a,b",
                "port": "5432,5433",
                "dbname": "d",
                "target_session_attrs": "read-write",
            },
        ),
        ("postgresql://a,b/d", {"host": "a,b", "port": ",", "dbname": "d", "target_session_attrs": "read-write"}),
        (
            "postgresql://a,b/d?target_session_attrs=any",
            {"host": "a,b", "port": ",", "dbname": "d", "target_session_attrs": "any"},
        ),
    ],
)
def test_a_databases_address_is_read_as_postgresqls_own_tools_read_it(url: str, wanted: dict[str, str]) -> None:
    assert given(url) == wanted


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("aB/c+d=", "aB/c+d="),
        ("1/2", "1/2"),
        ("/?#:", "/?#:"),
        ("50%off", "50%off"),
        ("a%40b%2F%25c", "a@b/%c"),
    ],
)
def test_a_password_is_everything_up_to_the_at_sign(written: str, password: str) -> None:
    wanted = {"user": "u", "password": password, "host": "h", "port": "5432", "dbname": "d"}
    assert given(f"postgresql://u:{written}@h:5432/d") == wanted


def test_a_password_is_not_shown() -> None:
    assert "hidden" not in repr(driver_url("postgresql://u:hidden@a,b/d"))


@pytest.mark.parametrize(
    "url", ["", "h/d", "host=h dbname=d", "mysql://h/d", "postgresql://u:pa:ss@h:5x/d", "postgresql://h/d?unknown=1"]
)
def test_what_is_no_databases_address_is_refused_without_its_words(url: str) -> None:
    with pytest.raises(ValueError, match=r"^should be postgresql://USER:PASSWORD@HOST/DATABASE, ") as refused:
        driver_url(url)
    assert "pa:ss" not in str(refused.value)


def test_nats_may_have_several_servers() -> None:
    assert nats_servers("nats://u:p@a:4222, tls://u:p@b") == ["nats://u:p@a:4222", "tls://u:p@b"]


@pytest.mark.parametrize("addresses", ["", "a:4222", "nats://", "nats://a,", "nats://a,b:4222", "nats://a:four"])
def test_what_is_no_address_of_nats_is_refused(addresses: str) -> None:
    with pytest.raises(ValueError, match=r"^should be nats://USER:PASSWORD@HOST:PORT, "):
        nats_servers(addresses)


@pytest.mark.parametrize(
    "settings", [ServiceSettings, MigrateSettings, GatewaySettings, AccountsSettings, RestoredSettings]
)
def test_a_wrong_address_is_a_problem_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    for name in ("DATABASE_URL", "MIGRATE_DATABASE_URL", "NATS_URL"):
        monkeypatch.setenv(name, "secret-nonsense")
    found = [line for line in problems_of(settings) if "_URL:" in line]
    ours = {"database_url", "migrate_database_url", "nats_url"} & settings.model_fields.keys()
    assert {line.split(":")[0].lower() for line in found} == ours
    assert "secret-nonsense" not in "".join(found)
