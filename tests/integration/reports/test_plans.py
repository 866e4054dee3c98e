"""What people open often reads few rows, however many messages there are: no plan of it looks at all of them."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from protos.reports.v1 import reports_pb2 as pb
from services.kit.auth import Viewer
from services.kit.ids import new_id
from services.reports.tables import messages
from tests.integration.reports.conftest import NORTH, Reports, message, person, submitted, threat, withheld

_MANY = 20_000


async def plans_of(reports: Reports, viewer: Viewer, method: str, request: Any) -> list[str]:
    """Return how the database reads whatever a call reads."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT") and "FROM messages" in statement:
            asked.append((statement, parameters))

    sa.event.listen(reports.engine.sync_engine, "before_cursor_execute", note)
    await reports.ask(viewer, method, request)
    sa.event.remove(reports.engine.sync_engine, "before_cursor_execute", note)
    async with reports.engine.connect() as connection:
        found = [await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {each}", values) for each, values in asked]
        return [json.dumps(each.scalar_one()) for each in found]


def scans_all(plan: str) -> bool:
    return any(
        each["Relation Name"] == "messages" for each in _nodes(json.loads(plan)) if each.get("Node Type") == "Seq Scan"
    )


def _nodes(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, list):
        return [node for each in part for node in _nodes(each)]
    if not isinstance(part, dict):
        return []
    return [part, *_nodes(list(part.values()))]


def _copies(message_id: str) -> sa.Select[Any]:
    numbers = sa.func.generate_series(1, _MANY).table_valued("n").render_derived()
    changed = {
        "message_id": sa.func.gen_random_uuid(),
        "sender_id": sa.cast(sa.func.gen_random_uuid(), sa.Text),
        "sent_at": messages.c.sent_at - numbers.c.n * sa.text("interval '1 minute'"),
    }
    columns = [changed.get(each.key, each) for each in messages.c]
    return sa.select(*columns).join_from(messages, numbers, sa.true()).where(messages.c.message_id == message_id)


async def fill(reports: Reports) -> None:
    """Write as many messages of other people as a district has in some weeks."""
    one = message()
    await reports.hear(submitted(one))
    async with reports.engine.begin() as connection:
        await connection.execute(sa.insert(messages).from_select(list(messages.c.keys()), _copies(one.message_id)))
        await connection.execute(sa.text("ANALYZE messages"))


@pytest.mark.accepts(171)
async def test_opening_a_threat_reads_only_what_is_near_it(reports: Reports) -> None:
    lee, asked = person("Lee", "threat_alerts", schools=[NORTH]), message()
    danger = threat()
    danger.in_reply_to = asked.message_id
    reply, foreign = message(in_reply_to=danger.message_id), message(in_reply_to=new_id())
    await reports.hear(submitted(asked), withheld(danger), submitted(reply), submitted(foreign))
    await fill(reports)
    wanted = pb.GetThreatRequest(message_id=danger.message_id)
    near = (await reports.ask(lee, "GetThreat", wanted)).conversation
    assert {each.message_id for each in near} == {asked.message_id, reply.message_id}
    plans = await plans_of(reports, lee, "GetThreat", wanted)
    assert plans
    assert not [each for each in plans if scans_all(each)]


@pytest.mark.accepts(241)
async def test_the_senders_to_choose_from_are_read_from_the_newest_messages(reports: Reports) -> None:
    secretary = person("Sara", "communication_reports", "view_all_users")
    await fill(reports)
    (plan,) = await plans_of(reports, secretary, "ListSenders", pb.ListSendersRequest())
    assert not scans_all(plan)
