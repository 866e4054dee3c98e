"""What directory and queue tell of permissions, settings and stopped messages, into the audit log (statement 309)."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.events.v1 import directory_pb2 as directory
from protos.events.v1 import settings_pb2 as settings
from services.kit.consumer import Event, Subscribing
from services.kit.db import transaction
from services.kit.outbox import first_times
from services.reports.store import auditing

_OF_DIRECTORY: dict[str, Any] = {
    "directory.profile.changed.v1": directory.ProfileChanged,
    "directory.profile.assigned.v1": directory.ProfilesAssigned,
    "directory.setting.changed.v1": settings.SettingChanged,
}
_OF_QUEUE: dict[str, Any] = {"queue.setting.changed.v1": settings.SettingChanged}
_CHANGES = {**_OF_DIRECTORY, **_OF_QUEUE}
DIRECTORY = Subscribing("directory", "reports-directory", tuple(_OF_DIRECTORY), workers=1)
QUEUE_SETTINGS = Subscribing("queue", "reports-settings", tuple(_OF_QUEUE), workers=1)


class SettingEvents:
    """Writes who changed which permissions and settings into the audit log (statement 309)."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of the reports' database."""
        self._engine = engine

    async def handle(self, delivered: Sequence[Event]) -> None:
        """Record each change once; an edit that changed no permission is none."""
        told = [_CHANGES[each.subject].FromString(each.payload) for each in delivered]
        async with transaction(self._engine) as connection:
            # One name for both consumers: an event's id is its own wherever it comes from.
            fresh = await first_times(connection, DIRECTORY.durable, [each.event_id for each in told])
            for event in {each.event_id: each for each in told if each.event_id in fresh}.values():
                actor = auditing.Actor(event.changed_by_id, event.changed_by_name)
                at = event.changed_at.ToDatetime(tzinfo=UTC)
                message_id = event.message_id or None if isinstance(event, settings.SettingChanged) else None
                for action, detail in _changes(event):
                    await auditing.record(connection, at, actor, action, message_id, detail)


def _changes(
    event: directory.ProfileChanged | directory.ProfilesAssigned | settings.SettingChanged,
) -> Iterator[tuple[str, str]]:
    """Yield what the log says: a profile has other permissions, a person has another profile, something was set."""
    if isinstance(event, settings.SettingChanged):
        yield event.action, event.detail
    elif isinstance(event, directory.ProfilesAssigned):
        for each in event.assignments:
            detail = f"person={each.person_id} before={each.before or 'none'} after={each.after or 'none'}"
            yield "profile.assigned", detail
    elif event.added or event.removed:
        yield "profile.changed", _permissions(event)


def _permissions(event: directory.ProfileChanged) -> str:
    parts = [f"profile={event.profile.name}", *(f"added={name}" for name in event.added)]
    return " ".join([*parts, *(f"removed={name}" for name in event.removed)])[:1000]
