"""The contracts: every method names its scope; every subject is of a stream that its service owns."""

import re

import pytest

from deploy.local.scopes import services_of
from services.kit.rpc_server import scopes_of
from tests.meta.sources import text, tracked

SERVICES = ("directory", "moderation", "notify", "queue", "reports")
SCOPE = re.compile(r"[a-z]+\.[a-z]+")
SUBJECT = re.compile(r"[a-z]+\.[a-z]+\.[a-z]+\.v\d+")


@pytest.mark.parametrize("service", SERVICES)
def test_every_method_names_its_scope(service: str) -> None:
    for each in services_of(service):
        scopes = scopes_of(each)
        assert scopes
        assert [scope for scope in scopes.values() if not SCOPE.fullmatch(scope)] == []


def subjects_in_code() -> dict[str, str]:
    """Return each event subject that the services' code names, and a file that does."""
    found: dict[str, str] = {}
    for path in tracked("services/*.py"):
        if "kit" not in path.parts:
            for subject in re.findall(r'"([a-z]+\.[a-z_]+\.[a-z_]+\.v\d+)"', text(path)):
                found[subject] = str(path)
    return found


def test_subjects_are_noun_and_past_tense_of_their_owner() -> None:
    named = subjects_in_code()
    assert named
    assert [
        subject for subject in named if not (SUBJECT.fullmatch(subject) and subject.split(".")[0] in SERVICES)
    ] == []


def test_every_subject_is_explained_at_its_message() -> None:
    """The comment of an event's message begins with its subject."""
    explained = "".join(text(path) for path in tracked("protos/events/v1/*.proto"))
    assert sorted(subject for subject in subjects_in_code() if subject not in explained) == []
