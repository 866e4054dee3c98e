"""Tokens: each key signs its own kind, for its own time."""

import json
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from services.kit.auth import Viewer, sign_service, sign_token, sign_viewer
from services.kit.errors import Unauthenticated
from tests.support.tokens import Tokens

AMY = Viewer("p1", "Amy", "admin", frozenset({"reports.view"}), frozenset({"s1"}), all_users=True)


def test_a_viewer_comes_back_as_it_was_signed(tokens: Tokens) -> None:
    caller = tokens.verifier().verify(tokens.viewer(AMY, "reports.read"))
    assert caller.viewer == AMY
    assert (caller.subject, caller.scopes) == ("p1", frozenset({"reports.read"}))


def test_scope_of_schools() -> None:
    assert AMY.sees_school("s1")
    assert not AMY.sees_school("s2")
    assert Viewer("p", "", "admin", frozenset(), frozenset("*"), all_users=True).sees_school("s2")


def test_a_key_signs_its_own_kind_only(tokens: Tokens) -> None:
    verifier = tokens.verifier()
    for forged in (
        sign_service(tokens.gateway, "queue", frozenset({"queue.write"}), 60),
        sign_viewer(tokens.operator, AMY, frozenset({"reports.read"})),
        sign_token(tokens.operator, {"sub": "x"}, 60),
        sign_service(OKPKey.generate_key("Ed25519", parameters={"kid": "operator-test"}), "queue", frozenset(), 60),
    ):
        with pytest.raises(Unauthenticated):
            verifier.verify(forged)


def test_tokens_end(tokens: Tokens) -> None:
    verifier = tokens.verifier()
    with pytest.raises(Unauthenticated):
        verifier.verify(sign_service(tokens.operator, "queue", frozenset(), -10))
    with pytest.raises(Unauthenticated, match="a minute"):
        verifier.verify(sign_viewer(tokens.gateway, AMY, frozenset(), 3600))


def test_a_remembered_token_is_checked_again_once_it_has_ended(tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = tokens.verifier()
    token = tokens.service("queue.read")
    verifier.verify(token)
    monkeypatch.setattr("services.kit.auth.time.time", lambda: 4e9)
    with pytest.raises(Unauthenticated):
        verifier.verify(token)


def test_the_public_file_holds_no_private_part(tokens: Tokens) -> None:
    keys = json.loads(Path(tokens.keys_file).read_text())["keys"]
    assert all("d" not in key for key in keys)
