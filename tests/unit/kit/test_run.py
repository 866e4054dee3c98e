"""`--check-config` looks at what is read by what the command line names."""

import runpy
import sys
from collections.abc import Callable

import pytest

Checked = Callable[..., set[str]]

_URL = {"DATABASE_URL": "postgresql://x"}
_READ = (
    *("DATABASE_URL", "MIGRATE_DATABASE_URL", "DIRECTORY_ADDRESS", "SERVICE_TOKEN"),
    *("NATS_URL", "AUTH_KEYS_FILE", "LISTEN"),
)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checked:
    """Runs `python -m MODULE … --check-config` in an environment, and returns the names that it complains of."""

    def check(module: str, *arguments: str, **given: str) -> set[str]:
        for name in _READ:
            monkeypatch.delenv(name, raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", [module, *arguments, "--check-config"])
        monkeypatch.delitem(sys.modules, f"{module}.__main__", raising=False)
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        said = capsys.readouterr().out.splitlines()
        names = set() if said == ["configuration ok"] else {each.split(":")[0] for each in said}
        assert ended.value.code == (2 if names else 0)
        return names

    return check


@pytest.mark.parametrize(
    ("arguments", "given", "missing"),
    [
        (["services.queue", "migrate"], {}, {"MIGRATE_DATABASE_URL"}),
        (["services.queue", "migrate"], {"MIGRATE_DATABASE_URL": "postgresql://x"}, set()),
        (["services.gateway", "migrate"], {}, {"MIGRATE_DATABASE_URL"}),
        (["services.gateway", "add-accounts"], {}, {"DATABASE_URL"}),
        (["services.directory", "import-roster"], {}, {"DIRECTORY_ADDRESS", "SERVICE_TOKEN"}),
        (["services.gateway", "add-accounts"], _URL, set()),
        (["services.moderation", "score"], {}, set()),
    ],
)
def test_a_command_is_checked_by_what_it_reads(
    arguments: list[str], given: dict[str, str], missing: set[str], checked: Checked
) -> None:
    assert checked(*arguments, **given) == missing


def test_what_commands_read_is_not_asked_of_what_serves(checked: Checked) -> None:
    assert checked("services.directory").isdisjoint({"DIRECTORY_ADDRESS", "SERVICE_TOKEN"})


@pytest.mark.parametrize("service", ["gateway", "queue", "notify"])
def test_without_a_name_all_that_serves_is_checked(service: str, checked: Checked) -> None:
    assert {"DATABASE_URL", "DIRECTORY_ADDRESS", "SERVICE_TOKEN"} <= checked(f"services.{service}")


_NATS = {"NATS_URL": "nats://x"}


@pytest.mark.parametrize(
    ("named", "given", "missing"),
    [
        ("", _NATS, set()),
        ("lend", _NATS | _URL, set()),
        ("lend", {}, {"NATS_URL"}),
        ("", {}, {"NATS_URL", "DATABASE_URL", "AUTH_KEYS_FILE"}),
        ("", _NATS | _URL, {"AUTH_KEYS_FILE"}),
        ("", _NATS | {"LISTEN": "127.0.0.1:0"}, {"DATABASE_URL", "AUTH_KEYS_FILE"}),
        ("serve", _NATS, {"DATABASE_URL", "AUTH_KEYS_FILE"}),
    ],
)
def test_moderation_lends_its_model_where_nats_is_all_that_it_knows(
    named: str, given: dict[str, str], missing: set[str], checked: Checked
) -> None:
    """Who means a replica and forgot a setting is told so: anything that it alone reads says that it is meant."""
    assert checked("services.moderation", *([named] if named else []), **given) == missing
