"""What students wrote is given to services alone: newest first, a page at a time, of the schools that are named."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller, Viewer, set_caller
from services.kit.errors import InvalidArgument, NotFound, PermissionDenied
from services.kit.ids import new_id
from services.queue.actions import written
from services.queue.text_rpc import WrittenTexts
from tests.integration.queue.conftest import PUPIL, Queue, draft, person
from tests.integration.queue.test_rescreening import released, verdict


async def asked(
    queue: Queue, schools: Sequence[str] = ("*",), after: str = "", since: datetime | None = None
) -> list[types.WrittenTexts]:
    """Ask as a service does."""
    set_caller(Caller("gateway", frozenset({"queue.texts"})))
    servicer = WrittenTexts()
    servicer._engine = queue.engine
    request = pb.ListWrittenTextsRequest(school_ids=schools, after_message_id=after)
    request.since.FromDatetime(since or queue.clock() - timedelta(days=30))
    return list((await servicer.ListWrittenTexts(request, None)).messages)


async def sent(queue: Queue, **fields: Any) -> str:
    return (await released(queue, **fields)).snapshot.message.message_id


async def test_what_screening_decided_about_is_given_with_the_texts_that_it_read(queue: Queue) -> None:
    first = await sent(queue, subject="Trip", body="At noon.", channels=[("email", ""), ("sms", "Noon!")])
    held = (await queue.submit(draft(sender=PUPIL, language="es"), [person(1)], screened=True)).snapshot.message
    await verdict(queue, held.message_id, types.Verdict.DECISION_HOLD)
    await queue.submit(draft(sender=PUPIL), [person(1)], screened=True)  # It waits for its verdict.
    await queue.submit(draft(sender=PUPIL), [person(1)])  # Screening was off.
    await queue.submit(draft(), [person(1)])  # A teacher's.
    newest, oldest = await asked(queue)
    assert (newest.message_id, newest.language) == (held.message_id, "es")
    assert (oldest.message_id, list(oldest.texts)) == (first, ["Trip", "At noon.", "Noon!"])
    assert await asked(queue, since=queue.clock() + timedelta(minutes=1)) == []


async def test_who_asks_names_the_schools_of_the_senders(queue: Queue) -> None:
    here = await sent(queue)
    there = await sent(queue, subject="There")
    await queue.rows("UPDATE messages SET sender_school_id = 'school-2' WHERE message_id = :id RETURNING 1", id=there)
    assert [each.message_id for each in await asked(queue, ["school-1", "school-9"])] == [here]
    assert [each.message_id for each in await asked(queue)] == [there, here]
    assert await asked(queue, []) == []


async def test_pages_follow_each_other_and_are_limited_in_messages_and_bytes(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [await sent(queue, subject=f"Number {number}", body="x" * 100) for number in range(5)]
    monkeypatch.setattr(written, "_MOST", 2)
    pages = [await asked(queue)]
    while pages[-1]:
        pages.append(await asked(queue, after=pages[-1][-1].message_id))
    assert [len(each) for each in pages] == [2, 2, 1, 0]
    assert [each.message_id for page in pages for each in page] == messages[::-1]
    monkeypatch.setattr(written, "_MOST_BYTES", 1)
    assert len(await asked(queue)) == 1, "one that is larger is given all the same"


async def test_a_person_gets_none_and_what_is_wrong_is_named(queue: Queue) -> None:
    with pytest.raises(NotFound):
        await asked(queue, after=new_id())
    with pytest.raises(InvalidArgument):
        await asked(queue, after="x")
    with pytest.raises(InvalidArgument):
        await asked(queue, [str(number) for number in range(1_001)])
    permissions = frozenset({"manage_policy", "threat_alerts", "view_all_users"})
    viewer = Viewer("p1", "Ida Cole", "admin", permissions, frozenset({"*"}), all_users=True)
    set_caller(Caller("p1", frozenset({"queue.texts"}), viewer))
    with pytest.raises(PermissionDenied) as refusal:
        await WrittenTexts().ListWrittenTexts(pb.ListWrittenTextsRequest(school_ids=["*"]), None)
    assert refusal.value.reason == "SERVICE_REQUIRED"
