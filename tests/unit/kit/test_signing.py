"""Keys and tokens from the command line."""

import json
from pathlib import Path

import pytest

from services.kit import signing
from services.kit.auth import TokenVerifier
from services.kit.errors import Unauthenticated


def test_a_token_of_the_operators_key_holds_by_the_public_keys(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert signing.main(["keys", str(tmp_path / "new")]) == 0
    tmp_path /= "new"
    modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    assert modes == {"gateway.jwk": 0o600, "operator.jwk": 0o600, signing.PUBLIC: 0o644}, "services read the public set"
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


def token(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    asked = ["token", "--key", str(folder / "operator.jwk"), "--name", "sis", "--scope", "queue.read"]
    assert signing.main(asked) == 0
    return capsys.readouterr().out.strip()


def test_while_keys_are_changed_tokens_of_both_hold_and_at_the_end_those_of_the_new_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert signing.main(["keys", str(old)]) == 0
    assert signing.main(["keys", str(new), "--beside", str(old / signing.PUBLIC)]) == 0
    tokens = [token(each, capsys) for each in (old, new)]
    meanwhile = TokenVerifier.from_file(new / signing.BOTH)
    assert [meanwhile.verify(each).subject for each in tokens] == ["sis", "sis"]
    after = TokenVerifier.from_file(new / signing.PUBLIC)
    assert after.verify(tokens[1]).subject == "sis"
    with pytest.raises(Unauthenticated):
        after.verify(tokens[0])


def test_what_stands_beside_new_keys_is_a_public_set_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signing.make_keys(tmp_path / "old")
    older = tmp_path / "older.json"
    private = json.loads((tmp_path / "old" / "operator.jwk").read_text())
    for text in ("{}", "nothing", json.dumps({"keys": [private]})):
        older.write_text(text)
        assert signing.main(["keys", str(tmp_path / "new"), "--beside", str(older)]) == 1
        assert "older.json is no public set of keys" in capsys.readouterr().err
        assert not (tmp_path / "new").exists()


def test_two_keys_of_one_id_are_refused(tmp_path: Path) -> None:
    signing.make_keys(tmp_path)
    found = json.loads((tmp_path / signing.PUBLIC).read_text())["keys"]
    with pytest.raises(ValueError, match="two keys of the id operator-"):
        TokenVerifier({"keys": [*found, found[1]]})


@pytest.mark.parametrize("there", ["gateway.jwk", "operator.jwk", "keys.json"])
def test_keys_that_are_there_stay_and_nothing_joins_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], there: str
) -> None:
    (tmp_path / there).write_text("older")
    assert signing.main(["keys", str(tmp_path)]) == 1
    assert there in capsys.readouterr().err
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [(there, "older")]
