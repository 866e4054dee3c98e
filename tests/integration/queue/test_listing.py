"""Recipients by rules on their columns, and sorted by what the columns show (statements 216, 221, 223)."""

import pytest
import sqlalchemy as sa

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.auth import Caller
from services.kit.errors import InvalidArgument, NotFound
from services.kit.ids import new_id
from services.queue.actions import reading
from services.queue.listing_words import seen
from tests.integration.queue.conftest import Queue, draft, person

TITLES = {"school-1": "Ridge High", "school-2": "Lincoln High"}


def rule(column: str, operator: str, value: str = "") -> types.ColumnRule:
    """A rule, its operator by the end of its name."""
    number = types.ColumnRule.Operator.Value(f"OPERATOR_{operator.upper()}")
    return types.ColumnRule(column=column, operator=number, value=value)


async def listed(
    queue: Queue, entry_id: str, *rules: types.ColumnRule, sort: str = "name", zone: str = "UTC"
) -> list[str]:
    """Return the recipients' numbers in the order of their names, and that the total is theirs."""
    request = pb.ListDeliveriesRequest(entry_id=entry_id, rules=rules, school_titles=TITLES)
    paging = reading.Paging(sort, False, lambda total: (20, 0))
    caller = Caller("test", frozenset())
    rows, total = await reading.deliveries_of(queue.engine, caller, entry_id, seen(request, zone), paging)
    assert total == len(rows)
    return [row["name"].removeprefix("Parent ") for row in rows]


@pytest.mark.accepts(216, 220, 221, 223)
async def test_rules_on_every_column_hold_together_before_paging(queue: Queue) -> None:
    people = [
        person(1),
        person(2, regarding_student_name="Amy 100%", staff_id="S-7"),
        person(3, email="", invalid_email="nowhere"),
        person(4, email="", has_account=False),
    ]
    done = await queue.submit(draft(), people)
    entry_id = done.snapshot.entries[0].entry_id

    async def find(*rules: types.ColumnRule, sort: str = "name", zone: str = "UTC") -> list[str]:
        return await listed(queue, entry_id, *rules, sort=sort, zone=zone)

    assert await find() == ["1", "2", "3", "4"]
    assert await find(rule("name", "contains", "parent"), rule("name", "not_equals", "PARENT 2")) == ["1", "3", "4"]
    assert await find(rule("status", "equals", "Error")) == ["3", "4"]
    assert await find(rule("status", "equals", "pending")) == ["1", "2"]
    assert await find(rule("type", "equals", "e-mail"), rule("destination", "contains", "parent2@")) == ["2"]
    assert await find(rule("school", "contains", "lincoln")) == ["1", "3"]
    assert await find(rule("school", "empty")) == []
    assert await find(rule("staff_id", "not_empty")) == ["2"]
    assert await find(rule("regarding_student", "contains", "0%")) == ["2"]
    assert await find(rule("student_id", "equals", "00004")) == ["4"]
    assert await find(rule("error", "contains", "ask the family for an e-mail address")) == ["4"]
    assert await find(rule("error", "contains", "correct the address")) == ["3"]
    assert await find(rule("error", "empty")) == ["1", "2"]
    assert await find(rule("expiration", "empty")) == ["3", "4"]
    assert await find(sort="school") == ["1", "3", "2", "4"]
    assert await find(sort="status") == ["3", "4", "1", "2"]
    assert await find(rule("error", "not_empty"), sort="error") == ["3", "4"]
    now = queue.clock()
    today, west = now.date().isoformat(), "Pacific/Midway" if now.hour < 11 else "Pacific/Kiritimati"
    assert await find(rule("last_update", "equals", today)) == ["1", "2", "3", "4"]
    assert await find(rule("last_update", "equals", today), zone=west) == []


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (rule("password", "contains", "a"), "/rules/0/column"),
        (rule("name", "greater", "a"), "/rules/0/operator"),
        (rule("expiration", "equals", "soon"), "/rules/0/value"),
        (rule("name", "contains", "a" * 201), "/rules/0/value"),
        (types.ColumnRule(column="name", value="a"), "/rules/0/operator"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(wrong: types.ColumnRule, pointer: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        seen(pb.ListDeliveriesRequest(rules=[wrong]), "UTC")
    assert [each.pointer for each in raised.value.violations] == [pointer]


def test_there_are_at_most_twenty_rules_and_a_known_sort() -> None:
    with pytest.raises(InvalidArgument) as raised:
        seen(pb.ListDeliveriesRequest(rules=[rule("name", "contains", "a")] * 21), "UTC")
    assert [each.pointer for each in raised.value.violations] == ["/rules"]
    with pytest.raises(InvalidArgument):
        seen(pb.ListDeliveriesRequest(sort=types.Sort(column="1; drop")), "UTC")


@pytest.mark.accepts(69, 214)
async def test_an_export_has_everybody_once_while_deliveries_move(queue: Queue) -> None:
    done = await queue.submit(draft(), [person(number) for number in range(1, 1_201)])
    entry_id = done.snapshot.entries[0].entry_id
    request = pb.ListDeliveriesRequest(entry_id=entry_id)
    found, caller = seen(request, "UTC"), Caller("test", frozenset())
    pieces = reading.export_deliveries(queue.engine, caller, entry_id, found, "last_update", descending=True)
    rows = list(await anext(pieces))
    moved = {row["number"] for row in rows}
    async with queue.engine.begin() as connection:
        await connection.execute(
            sa.text(
                "INSERT INTO outcomes (entry_id, number, created_at, school_id, state, attempt, provider,"
                " provider_message_id, error_code, changed_at)"
                " SELECT entry_id, number, created_at, school_id, 'sent', 1,"
                " '', '', '', now() + interval '1 day' FROM recipients WHERE number <> ALL(:moved) LIMIT 300"
            ),
            {"moved": list(moved)},
        )
    async for piece in pieces:
        rows += piece
    async with queue.engine.begin() as connection:
        # Nothing was sent: the counters are as before.
        await connection.execute(sa.text("DELETE FROM outcomes"))
    assert len(rows) == len({row["number"] for row in rows}) == 1_200
    with pytest.raises(NotFound):
        await anext(reading.export_deliveries(queue.engine, caller, new_id(), found, "", descending=False))
