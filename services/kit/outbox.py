"""The outbox: events are written in the transaction of the change they tell of, and published after it.

add_event puts a row into `outbox`; the Relay (relay.py) publishes rows and deletes them. Consumers call first_time in
the transaction of the effect, so that a redelivered event changes nothing. Any part may fail at any point: an event
is published at least once, in the order of its row, and has its effect once.
"""

from collections.abc import Iterable
from typing import Protocol

import sqlalchemy as sa
from opentelemetry import propagate
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.db import ADDED_EVENTS
from services.kit.ids import new_id

_columns = ("event_id", "subject", "payload", "traceparent")
_outbox = sa.table("outbox", *(sa.column(name) for name in _columns))
_consumed = sa.table("consumed_events", sa.column("durable"), sa.column("event_id"), sa.column("consumed_at"))


class EventMessage(Protocol):
    """A protobuf message of protos/events/v1: all have an event_id."""

    event_id: str

    def SerializeToString(self) -> bytes:  # noqa: N802  protobuf's name
        """Return the wire form."""


def outbox_table(metadata: sa.MetaData) -> sa.Table:
    """Return the table of events that are not yet published; every service with events has one."""
    return sa.Table(
        "outbox",
        metadata,
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("traceparent", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


def consumed_events_table(metadata: sa.MetaData) -> sa.Table:
    """Return the table of events that had their effect; every service that consumes has one."""
    return sa.Table(
        "consumed_events",
        metadata,
        sa.Column("durable", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("consumed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    )


async def add_event(connection: AsyncConnection, subject: str, message: EventMessage) -> str:
    """Tell the others, when this transaction commits. Fills the message's event_id if it is empty, and returns it."""
    return (await add_events(connection, [(subject, message)]))[0]


async def add_events(connection: AsyncConnection, events: Iterable[tuple[str, EventMessage]]) -> list[str]:
    """Tell the others several things in one statement, in this order; return the events' ids."""
    traceparent = _traceparent()
    rows: list[dict[str, object]] = []
    event_ids: list[str] = []
    for subject, message in events:
        message.event_id = message.event_id or new_id()
        event_ids.append(message.event_id)
        payload = message.SerializeToString()
        rows.append(dict(zip(_columns, (message.event_id, subject, payload, traceparent), strict=True)))
    if rows:
        await connection.execute(sa.insert(_outbox), rows)
        connection.info[ADDED_EVENTS] = True
    return event_ids


async def first_time(connection: AsyncConnection, durable: str, event_id: str) -> bool:
    """Record that the consumer has acted on the event; False when it had already."""
    return event_id in await first_times(connection, durable, [event_id])


async def first_times(connection: AsyncConnection, durable: str, event_ids: Iterable[str]) -> set[str]:
    """Record that the consumer has acted on the events; return those that it sees for the first time."""
    rows = [{"durable": durable, "event_id": event_id} for event_id in sorted(set(event_ids))]
    if not rows:
        return set()
    fresh = insert(_consumed).values(rows).on_conflict_do_nothing().returning(_consumed.c.event_id)
    return {str(event_id) for event_id in (await connection.execute(fresh)).scalars()}


def _traceparent() -> str:
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent", "")
