"""A process says in time that its certificate ends, or what it trusts."""

from pathlib import Path
from typing import Any

import pytest

from services.kit.certificates import watch_certificates
from services.kit.config import ServiceSettings, check_config
from services.kit.logs import configure_logs
from services.kit.signing import PUBLIC, make_keys
from tests.support.certificates import made_certificate

ENDED, SOON, LATER = (made_certificate(days) for days in (-1, 10.5, 20))


@pytest.mark.parametrize(
    ("certificate", "authority", "said"),
    [
        (SOON.chain, LATER.chain, [("certificate_ends", "warning", "TLS_CERTIFICATE", 10)]),
        (ENDED.chain, "", [("certificate_ended", "error", "TLS_CERTIFICATE", None)]),
        # A chain is good for as long as each of it.
        (LATER.chain + SOON.chain, "", [("certificate_ends", "warning", "TLS_CERTIFICATE", 10)]),
        # Of authorities one will do: the old one stays beside the new for a while.
        ("", SOON.chain + LATER.chain, []),
        ("", ENDED.chain, [("certificate_ended", "error", "TLS_AUTHORITY", None)]),
        ("", "", []),
    ],
)
def test_what_ends_soon_is_said_at_the_start(certificate: str, authority: str, said: list[Any], written: Any) -> None:
    configure_logs("queue", "serve", "INFO")
    watch_certificates(certificate, authority)
    records = written()
    assert [(each["event"], each["level"], each["setting"], each.get("days_left")) for each in records] == said


def test_a_certificate_that_has_ended_is_a_problem_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_keys(tmp_path)
    given = {"DATABASE_URL": "postgresql://x", "NATS_URL": "nats://x", "AUTH_KEYS_FILE": str(tmp_path / PUBLIC)}
    for made, code, said in ((ENDED, 2, "TLS_CERTIFICATE: has ended\n"), (SOON, 0, "configuration ok\n")):
        for name, value in {**given, "TLS_CERTIFICATE": made.chain, "TLS_KEY": made.key}.items():
            monkeypatch.setenv(name, value)
        assert check_config(ServiceSettings) == code
        assert capsys.readouterr().out == said
    monkeypatch.setenv("TLS_AUTHORITY", ENDED.chain)
    assert check_config(ServiceSettings) == 2
    assert capsys.readouterr().out == "TLS_AUTHORITY: has ended\n"
