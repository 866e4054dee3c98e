"""Configuration: every problem at once, secrets by file, never a value in a message."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.gateway.config import GatewaySettings
from services.kit.config import MigrateSettings, ServiceSettings, Settings, check_config, load, problems_of
from services.kit.signing import PUBLIC, make_keys

GOOD = {"DATABASE_URL": "postgresql://u:hidden@h/d", "NATS_URL": "nats://h"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    make_keys(tmp_path)
    monkeypatch.setenv("AUTH_KEYS_FILE", str(tmp_path / PUBLIC))
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_a_right_environment_is_read_and_cannot_be_changed() -> None:
    settings = load(ServiceSettings)
    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]
    assert settings.district_time_zone == "America/New_York"
    with pytest.raises(ValidationError):
        settings.log_level = "DEBUG"  # type: ignore[misc]


def test_every_problem_is_reported_at_once_and_without_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("LISTEN", "secret-nonsense")
    monkeypatch.setenv("DISTRICT_TIME_ZONE", "Mars/Base")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(SystemExit) as exit_:
        load(ServiceSettings)
    assert exit_.value.code == 2
    printed = capsys.readouterr().err
    assert [line.split(":")[0] for line in printed.splitlines()] == [
        "LOG_LEVEL", "DISTRICT_TIME_ZONE", "LISTEN", "DATABASE_URL",
    ]  # fmt: skip
    assert "secret-nonsense" not in printed


def test_a_secret_may_come_from_a_file_and_the_variable_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://from-file\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(secret))
    assert load(ServiceSettings).database_url.get_secret_value() == GOOD["DATABASE_URL"]
    monkeypatch.setenv("DATABASE_URL", "")
    assert load(ServiceSettings).database_url.get_secret_value() == "postgresql://from-file"


def test_secret_files_that_cannot_be_read_are_each_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("NATS_URL_FILE", str(tmp_path))
    assert [line.split(":")[0] for line in problems_of(ServiceSettings)] == ["DATABASE_URL_FILE", "NATS_URL_FILE"]


def test_check_config_covers_all_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_config(Settings) == 0
    assert check_config(ServiceSettings, MigrateSettings) == 2
    assert "MIGRATE_DATABASE_URL" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "{}", "nothing", '{"keys": [{"kty": "OKP"}]}'])
def test_a_file_of_keys_without_keys_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    monkeypatch.setenv("AUTH_KEYS_FILE", str(path))
    (problem,) = problems_of(ServiceSettings)
    assert problem == "AUTH_KEYS_FILE: Value error, should be a JWKS of public keys, as `signing keys` makes it"


@pytest.mark.parametrize("name", ["operator.jwk", PUBLIC])
def test_a_key_that_is_not_the_gateways_private_one_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    for each, is_right in ((name, False), ("gateway.jwk", True)):
        monkeypatch.setenv("GATEWAY_KEY_FILE", str(tmp_path / each))
        found = [line for line in problems_of(GatewaySettings) if line.startswith("GATEWAY_KEY:")]
        assert (found == []) == is_right
