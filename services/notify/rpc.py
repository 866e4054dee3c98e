"""NotifyService: proto to action to proto."""

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.notify.v1 import notify_pb2 as pb
from protos.notify.v1 import notify_pb2_grpc
from services.kit.auth import Viewer, current_caller, require_viewer
from services.kit.errors import PermissionDenied, Unavailable
from services.kit.ids import check_id
from services.kit.listening import Listener
from services.notify import actions
from services.notify.metrics import watchers
from services.notify.store.alerts import CHANNEL


def _holder() -> Viewer:
    """Return the viewer, who holds Threat Alerts; PermissionDenied otherwise."""
    viewer = require_viewer()
    if actions.THREAT_ALERTS not in viewer.permissions:
        raise PermissionDenied(
            "PERMISSION_MISSING",
            "Your profile does not include Threat Alerts.",
            metadata={"permission": actions.THREAT_ALERTS},
        )
    return viewer


def _require_service() -> None:
    if current_caller().viewer:
        raise PermissionDenied("SERVICE_REQUIRED", "This is answered only to a service.")


class NotifyServicer(notify_pb2_grpc.NotifyServiceServicer):
    """Answers NotifyService from one database."""

    def __init__(self, engine: AsyncEngine, listener: Listener) -> None:
        """The listener hears of changed alerts."""
        self._engine, self._listener = engine, listener

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Any) -> pb.ListAlertsResponse:
        """See the proto."""
        viewer = _holder()
        return pb.ListAlertsResponse(alerts=await actions.open_alerts(self._engine, viewer.person_id))

    async def WatchAlerts(self, request: pb.WatchAlertsRequest, context: Any) -> AsyncIterator[pb.WatchAlertsResponse]:
        """See the proto. After a lost connection the open alerts come again."""
        viewer = _holder()
        async for alert_ids in self._changes(context, is_start_told=True):
            if alert_ids is None:
                changed = await actions.open_alerts(self._engine, viewer.person_id)
            else:
                changed = await actions.changed_alerts(self._engine, alert_ids, viewer.person_id)
            for alert in changed:
                yield pb.WatchAlertsResponse(alert=alert)

    async def WatchAllAlerts(
        self, request: pb.WatchAllAlertsRequest, context: Any
    ) -> AsyncIterator[pb.WatchAllAlertsResponse]:
        """See the proto. The headers are sent once changes are heard; UNAVAILABLE when some may have been missed."""
        _require_service()
        async for alert_ids in self._changes(context, is_start_told=False):
            if alert_ids is None:
                raise Unavailable("STREAM_GAP", "Changes may have been missed; watch again.", retry_after_seconds=0)
            for alert in await actions.changed_alerts(self._engine, alert_ids):
                yield pb.WatchAllAlertsResponse(alert=alert)

    async def _changes(self, context: Any, *, is_start_told: bool) -> AsyncIterator[list[str] | None]:
        """Yield the ids of alerts as they change; None at the start, if asked for, and whenever some may be missing."""
        watchers.add(1)
        try:
            await self._listener.is_listening.wait()
            with self._listener.subscribe(CHANNEL) as subscription:
                await context.send_initial_metadata(())
                if is_start_told:
                    yield None
                while True:
                    alert_ids, is_gapped = await subscription.take()
                    yield None if is_gapped else alert_ids
        finally:
            watchers.add(-1)

    async def ListRecipients(self, request: pb.ListRecipientsRequest, context: Any) -> pb.ListRecipientsResponse:
        """See the proto."""
        _require_service()
        message_id = check_id("message_id", request.message_id)
        return pb.ListRecipientsResponse(told=await actions.told_of(self._engine, message_id))
