"""What notify tells of alerts: who was alerted of which threat, and so may review that one (statements 177, 180)."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import notify_pb2 as notify
from services.kit.consumer import Event, Subscribing
from services.kit.db import transaction
from services.reports.store import intake

ALERTS = Subscribing("notify", "reports-alerts", ("notify.alert.changed.v1",), batch=100, workers=1)


class AlertEvents:
    """Remembers who was alerted."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of the reports' database."""
        self._engine = engine

    async def handle(self, delivered: Sequence[Event]) -> None:
        """Remember whose alerts these are; an alert that changes, or comes again, adds nobody."""
        alerts = [notify.AlertChanged.FromString(each.payload).alert for each in delivered]
        async with transaction(self._engine) as connection:
            await intake.remember_alerted(connection, {(each.person_id, each.message_id) for each in alerts})
