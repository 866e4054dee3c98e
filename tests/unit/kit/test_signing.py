"""Keys and tokens from the command line."""

from pathlib import Path

import pytest

from services.kit import signing
from services.kit.auth import TokenVerifier


def test_a_token_of_the_operators_key_holds_by_the_public_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert signing.main(["keys", str(tmp_path)]) == 0
    assert {each.stat().st_mode & 0o077 for each in tmp_path.iterdir()} == {0}
    asked = ["token", "--key", str(tmp_path / "operator.jwk"), "--name", "sis", "--scope", "queue.absences"]
    assert signing.main([*asked, "--scope", "queue.read", "--days", "2"]) == 0
    caller = TokenVerifier.from_file(tmp_path / signing.PUBLIC).verify(capsys.readouterr().out.strip())
    assert (caller.subject, caller.scopes, caller.viewer) == ("sis", frozenset({"queue.absences", "queue.read"}), None)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--key": "gateway.jwk"}, "The operator's key signs"),
        ({"--key": "nothing.jwk"}, "No such file"),
        ({"--scope": "everything"}, "everything is no scope"),
        ({"--days": "0"}, "1 to 3,650 days"),
        ({"--name": " "}, "has a name"),
    ],
)
def test_what_cannot_be_signed_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: dict[str, str], sentence: str
) -> None:
    signing.make_keys(tmp_path)
    given = {"--key": "operator.jwk", "--name": "sis", "--scope": "queue.read", "--days": "1"} | changed
    given["--key"] = str(tmp_path / given["--key"])
    assert signing.main(["token", *(part for pair in given.items() for part in pair)]) == 1
    found = capsys.readouterr()
    assert (found.out, sentence in found.err) == ("", True)


@pytest.mark.parametrize("there", ["gateway.jwk", "operator.jwk", "keys.json"])
def test_keys_that_are_there_stay_and_nothing_joins_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    (tmp_path / there).write_text("older")
    assert signing.main(["keys", str(tmp_path)]) == 1
    assert there in capsys.readouterr().err
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(there, "older")]
