"""From permissions to scopes, and addresses that a form may return to."""

import pytest

from services.directory.domain import Permission as DirectoryPermission
from services.gateway.access import EVERYONE, SCOPES, Permission, Person, scopes_of
from services.gateway.pages import safe_return


def test_every_permission_of_directory_has_its_scopes() -> None:
    assert set(SCOPES) == {each.value for each in DirectoryPermission}


@pytest.mark.accepts(16)
def test_nobody_has_a_report_scope_for_nothing() -> None:
    assert not {scope for scope in scopes_of(frozenset({"send_to_staff"})) if scope.startswith("reports.")}
    assert scopes_of(frozenset({"unknown"})) == EVERYONE


@pytest.mark.accepts(9, 10, 17)
@pytest.mark.parametrize("has_threats", [True, False])
def test_threats_need_the_module(has_threats: bool) -> None:
    rights = frozenset({"threat_alerts"})
    someone = Person("p", "n", "admin", rights, (), frozenset(), "Counsellor", "", "", has_threats)
    assert someone.may(Permission.THREAT_ALERTS) is has_threats
    assert not someone.may(Permission.COMMUNICATION_REPORTS)


@pytest.mark.parametrize(
    "address", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:1", "", "/a\nb"]
)
def test_a_form_returns_to_our_own_pages_only(address: str) -> None:
    assert safe_return(address, "/inbox") == "/inbox"


def test_a_form_returns_to_where_it_came_from() -> None:
    assert safe_return("/reports/history?page=2", "/") == "/reports/history?page=2"
