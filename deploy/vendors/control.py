"""The simulator's own addresses, for tests and operators: modes, reset, what arrived, replies. Loopback only."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from aiohttp import web

from deploy.vendors.arrivals import Arrival
from deploy.vendors.core import Core
from deploy.vendors.moderation_api import ModerationApi
from deploy.vendors.modes import ModeError
from deploy.vendors.outcomes import outcome_tables
from deploy.vendors.ses.api import Ses
from deploy.vendors.sns.query import Sns
from deploy.vendors.twilio.calls import Calls
from deploy.vendors.twilio.messages import Messages

_MOST_ROWS = 20_000


@dataclass(frozen=True)
class Vendors:
    """The simulated vendors of one process."""

    messages: Messages
    calls: Calls
    sns: Sns
    ses: Ses
    moderation: ModerationApi


def _loopback(request: web.Request) -> bool:
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


class BadControl(Exception):
    """A control request that makes no sense; its text is the answer."""


Handler = Callable[[web.Request], Awaitable[web.Response]]


def local_only(handle: Handler) -> Handler:
    """Answer 403 to anyone who is not on this machine, and 400 with the reason to a request that makes no sense."""

    async def wrapped(request: web.Request) -> web.Response:
        if not _loopback(request):
            return web.json_response({"error": "control is for this machine only"}, status=403)
        try:
            return await handle(request)
        except (BadControl, ModeError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return wrapped


async def _object(request: web.Request) -> dict[str, Any]:
    try:
        fields = json.loads(await request.read() or b"{}")
    except ValueError as error:
        raise BadControl("the body is not JSON") from error
    if not isinstance(fields, dict):
        raise BadControl("the body is not an object")
    return fields


def _text(fields: dict[str, Any], name: str, default: str | None = None) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str) or (default is None and not value):
        raise BadControl(f"{name} must be a text")
    return value


class Control:
    """Handlers of /control/* and /arrived.json."""

    def __init__(self, core: Core, vendors: Vendors) -> None:
        """Act on these vendors."""
        self._core = core
        self._vendors = vendors

    def routes(self) -> list[web.RouteDef]:
        """All control addresses."""
        return [
            web.post("/control/modes", local_only(self._set_modes)),
            web.get("/control/modes", local_only(self._get_modes)),
            web.post("/control/reset", local_only(self._reset)),
            web.post("/control/inbound", local_only(self._inbound)),
            web.post("/control/moderation_webhook", local_only(self._moderation_webhook)),
            web.get("/control/arrival_counts", local_only(self._counts)),
            web.get("/control/outcomes", local_only(self._outcomes)),
            web.get("/control/state", local_only(self._state)),
            web.get("/control/moderated", local_only(self._moderated)),
            web.get("/arrived.json", local_only(self._arrived)),
        ]

    async def _set_modes(self, request: web.Request) -> web.Response:
        self._core.modes.change(await _object(request))
        return await self._get_modes(request)

    async def _get_modes(self, _request: web.Request) -> web.Response:
        return web.json_response(self._core.modes.as_json())

    async def _reset(self, _request: web.Request) -> web.Response:
        """Forget arrivals, waiting receipts, modes, opt-outs and suppressions. Topics and push endpoints stay."""
        self._core.callbacks.reset()
        self._core.modes.reset()
        self._core.audio.reset()
        self._core.arrivals.reset()
        self._vendors.messages.opted_out.clear()
        self._vendors.ses.suppressed.clear()
        self._vendors.calls.reset()
        self._vendors.moderation.reset()
        return web.json_response({})

    async def _inbound(self, request: web.Request) -> web.Response:
        fields = await _object(request)
        sid = self._vendors.messages.receive_reply(
            _text(fields, "from"), _text(fields, "body"), _text(fields, "to", "")
        )
        return web.json_response({"sid": sid})

    async def _moderation_webhook(self, request: web.Request) -> web.Response:
        fields = await _object(request)
        item = fields.get("item", {})
        if not isinstance(item, dict):
            raise BadControl("item must be an object")
        event_id = self._vendors.moderation.send_webhook(_text(fields, "type"), item, _text(fields, "url", ""))
        return web.json_response({"id": event_id})

    async def _moderated(self, _request: web.Request) -> web.Response:
        """What the screening vendor was asked, the latest requests, oldest first."""
        return web.json_response({"bodies": list(self._vendors.moderation.bodies)})

    async def _counts(self, _request: web.Request) -> web.Response:
        doubled = [arrival.as_json() for arrival in self._core.arrivals.doubled()]
        return web.json_response({**self._core.arrivals.counts(), "doubled": doubled})

    async def _outcomes(self, _request: web.Request) -> web.Response:
        return web.json_response(outcome_tables())

    async def _state(self, _request: web.Request) -> web.Response:
        """What the launcher waits for: subscriptions and whether they are confirmed; and what is still on its way."""
        subscriptions = [
            {"arn": s.arn, "topic_arn": s.topic_arn, "endpoint": s.endpoint, "confirmed": s.confirmed}
            for s in self._vendors.sns.topics.subscriptions()
        ]
        return web.json_response(
            {
                "subscriptions": subscriptions,
                "hanging": self._core.modes.hanging,
                "pending": self._core.callbacks.pending,
                "webhooks": dict(self._core.callbacks.counts),
                "opted_out": sorted(self._vendors.messages.opted_out),
                "suppressed": sorted(self._vendors.ses.suppressed),
                "moderated": self._vendors.moderation.moderated,
                "asked_to_moderate": self._vendors.moderation.asked,
                "most_moderated_at_once": self._vendors.moderation.most_at_once,
                "events_topic_arn": self._vendors.ses.events_topic_arn,
            }
        )

    async def _arrived(self, request: web.Request) -> web.Response:
        """Arrivals, newest first: ?channel=&to=&words=&tag=NAME=VALUE&after=SEQ&limit=; VALUE* is a beginning."""
        limit = request.query.get("limit", "100")
        after = request.query.get("after", "0")
        if not limit.isdecimal() or not after.isdecimal():
            raise BadControl("limit and after must be whole numbers")
        matching = [arrival for arrival in self._matching(request) if arrival.seq > int(after)]
        shown = [arrival.as_json() for arrival in islice(matching, min(int(limit), _MOST_ROWS))]
        return web.json_response({**self._core.arrivals.counts(), "matching": len(matching), "arrivals": shown})

    def _matching(self, request: web.Request) -> list[Arrival]:
        channel, words = request.query.get("channel", ""), request.query.get("words", "")
        tags = [tag.partition("=")[::2] for tag in request.query.getall("tag", [])]
        found = self._core.arrivals.newest_first(request.query.get("to", ""))
        return [
            arrival
            for arrival in found
            if channel in ("", arrival.channel)
            and words in f"{arrival.subject} {arrival.text}"
            and all(_tagged(arrival, name, value) for name, value in tags)
        ]


def _tagged(arrival: Arrival, name: str, wanted: str) -> bool:
    value = arrival.tags.get(name)
    if value is None:
        return False
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted
