"""The list of what is not written to: page by page, by what is asked for; and several lifted at once."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from protos.events.v1 import settings_pb2 as settings
from protos.queue.v1 import contacts_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller
from services.kit.clock import utc_now
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.queue import suppression_words, words
from services.queue.actions import contacting
from services.queue.settings_out import SETTING_CHANGED
from tests.integration.queue.conftest import Queue
from tests.integration.queue.test_suppressions import SERVICE, officer

NUMBER = "+16465550187"
HOUR = timedelta(hours=1)


async def suppress(queue: Queue, at: datetime, *destinations: str, reason: str = "hard_bounce") -> None:
    """Suppress destinations for a reason."""
    statement = sa.text(
        "INSERT INTO suppressions (channel, destination, reason, code, suppressed_at)"
        " VALUES (:channel, :destination, :reason, '', :at)"
    )
    async with queue.engine.begin() as connection:
        for each in destinations:
            channel = "email" if "@" in each else "sms"
            values = {"channel": channel, "destination": each, "reason": reason, "at": at}
            await connection.execute(statement, values)


async def listed(queue: Queue, caller: Caller, **asked: Any) -> tuple[list[list[str]], int]:
    """Return the destinations of every page, and how many the last one says that there are."""
    pages: list[list[str]] = []
    request = pb.ListSuppressionsRequest(**asked)
    while not pages or request.after:
        sought, after, size = suppression_words.read(request)
        found, total = await contacting.suppressed(queue.engine, caller, sought, after, size + 1)
        pages.append([each.destination for each in found[:size]])
        request.after = suppression_words.next_page(found[size - 1]) if len(found) > size else ""
    return pages, total


@pytest.mark.accepts(311)
async def test_what_is_suppressed_is_listed_newest_first_page_by_page(queue: Queue) -> None:
    now = utc_now()
    # A batch of receipts suppresses many at one moment; only the key tells them apart.
    await suppress(queue, now - HOUR, "a@example.org", "b@example.org", "q@b@mail.example.org")
    await suppress(queue, now - 2 * HOUR, NUMBER, reason="invalid_number")
    await suppress(queue, now - 3 * HOUR, "d@example.org", reason="complaint")
    everything = ["q@b@mail.example.org", "b@example.org", "a@example.org", NUMBER, "d@example.org"]
    assert await listed(queue, SERVICE, size=2) == ([everything[:2], everything[2:4], everything[4:]], 5)
    assert await listed(queue, SERVICE, size=5) == ([everything], 5)
    asked: dict[str, dict[str, Any]] = {
        "way": {"channel": types.CHANNEL_SMS},
        "reason": {"reason": "complaint"},
        "domain": {"domain": "@Example.ORG"},
        "other domain": {"domain": "mail.example.org"},
        "no domain": {"domain": "example"},
        "since": {"since": words.stamp(now - 2 * HOUR)},
        "both": {"since": words.stamp(now - 2 * HOUR), "domain": "example.org"},
    }
    found = {name: await listed(queue, SERVICE, **each) for name, each in asked.items()}
    assert found == {
        "way": ([[NUMBER]], 1),
        "reason": ([["d@example.org"]], 1),
        "domain": ([["b@example.org", "a@example.org", "d@example.org"]], 3),
        "other domain": ([["q@b@mail.example.org"]], 1),
        "no domain": ([[]], 0),
        "since": ([everything[:4]], 4),
        "both": ([["b@example.org", "a@example.org"]], 2),
    }


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"channel": types.CHANNEL_PUSH}, "/channel"),
        ({"reason": "silence"}, "/reason"),
        ({"domain": "a@example.org"}, "/domain"),
        ({"domain": "x" * 254}, "/domain"),
        ({"size": 501}, "/size"),
        ({"size": -1}, "/size"),
        ({"after": "x"}, "/after"),
        ({"after": "MjAyNi0xMS0xNCBlbWFpbCBhQGV4YW1wbGUub3Jn"}, "/after"),
    ],
)
def test_what_cannot_be_asked_for_is_named(asked: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        suppression_words.read(pb.ListSuppressionsRequest(**asked))
    assert [each.pointer for each in refused.value.violations] == [pointer]


@pytest.mark.accepts(309, 311)
async def test_several_are_lifted_at_once_and_each_is_kept_with_the_name(queue: Queue) -> None:
    ada = officer("manage_directory")
    await suppress(queue, utc_now(), "a@example.org", NUMBER, "b@example.org")
    wanted = ["A@example.org", "a@example.org", "(646) 555-0187", "other@example.org"]
    assert await contacting.lift(queue.engine, queue.clock, ada, wanted) == 2
    assert [row[0] for row in await queue.rows("SELECT destination FROM suppressions")] == ["b@example.org"]
    kept = await queue.rows("SELECT destination, action, person_name FROM suppression_changes ORDER BY destination")
    assert [tuple(row) for row in kept] == [(NUMBER, "lifted", "Ada North"), ("a@example.org", "lifted", "Ada North")]
    told = await queue.event(SETTING_CHANGED, settings.SettingChanged)
    assert sorted(each.detail for each in told) == ["email a•••@example.org", "sms •••0187"]
    with pytest.raises(NotFound):
        await contacting.lift(queue.engine, queue.clock, ada, wanted)
    for wrong in ([], ["b@example.org", "nobody"], ["b@example.org"] * 501):
        with pytest.raises(InvalidArgument):
            await contacting.lift(queue.engine, queue.clock, ada, wrong)
    assert len(await queue.rows("SELECT 1 FROM suppressions")) == 1


async def test_only_the_districts_operators_read_the_list(queue: Queue) -> None:
    for caller in (officer(), officer("manage_directory", schools=frozenset({"s1"}))):
        with pytest.raises(PermissionDenied):
            await listed(queue, caller)
