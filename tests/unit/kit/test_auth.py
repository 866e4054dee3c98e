"""Tokens: each key signs its own kind, for its own time."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from services.kit.auth import Viewer, sign_service, sign_token, sign_viewer
from services.kit.errors import Unauthenticated
from services.kit.logs import configure_logs
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
        verifier.verify(sign_service(tokens.operator, "queue", frozenset(), -40))
    with pytest.raises(Unauthenticated, match="a minute"):
        verifier.verify(sign_viewer(tokens.gateway, AMY, frozenset(), 3600))


def signed_at(tokens: Tokens, monkeypatch: pytest.MonkeyPatch, seconds: float) -> str:
    """Return a viewer token of a machine whose clock is this far ahead of ours."""
    now = time.time()
    with monkeypatch.context() as there:
        there.setattr("services.kit.auth.time.time", lambda: now + seconds)
        return tokens.viewer(AMY, "reports.read")


@pytest.mark.parametrize("ahead", [25, -85])
def test_clocks_may_differ_by_half_a_minute(tokens: Tokens, monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    assert tokens.verifier().verify(signed_at(tokens, monkeypatch, ahead)).viewer == AMY


@pytest.mark.parametrize("ahead", [40, -100])
def test_a_token_of_another_time_is_said_once_a_minute(
    tokens: Tokens, monkeypatch: pytest.MonkeyPatch, written: Any, ahead: float
) -> None:
    configure_logs("queue", "serve", "INFO")
    verifier, token = tokens.verifier(), signed_at(tokens, monkeypatch, ahead)
    for after in (0, 30, 61):
        began = time.monotonic()
        with monkeypatch.context() as later, pytest.raises(Unauthenticated):
            later.setattr("services.kit.auth.time.monotonic", lambda now=began + after: now)
            verifier.verify(token)
    said = written()
    assert [(each["event"], each["level"], each["kind"]) for each in said] == [
        ("token_not_of_this_time", "warning", "viewer")
    ] * 2
    assert all(abs(each["age_seconds"] + ahead) <= 2 for each in said)


def test_a_forged_token_of_another_time_is_not_spoken_of(tokens: Tokens, written: Any) -> None:
    configure_logs("queue", "serve", "INFO")
    stranger = OKPKey.generate_key("Ed25519", parameters={"kid": "operator-test"})
    with pytest.raises(Unauthenticated):
        tokens.verifier().verify(sign_service(stranger, "queue", frozenset(), -100))
    assert written() == []


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
