"""Puts the simulated vendors on one port: their own paths, and `POST /` by what it holds."""

from __future__ import annotations

from aiohttp import web

from deploy.vendors.arrivals import Arrivals
from deploy.vendors.callbacks import Callbacks
from deploy.vendors.control import Control, Vendors, local_only
from deploy.vendors.core import Core
from deploy.vendors.messaging import PREFIX, Messaging
from deploy.vendors.moderation_api import ModerationApi
from deploy.vendors.modes import Modes
from deploy.vendors.page import Page
from deploy.vendors.ses.api import Ses
from deploy.vendors.settings import Settings
from deploy.vendors.sns.query import Sns
from deploy.vendors.translate import Translate
from deploy.vendors.twilio.calls import Calls
from deploy.vendors.twilio.messages import Messages

_LARGEST_REQUEST_BYTES = 40 * 1024 * 1024
"""Amazon SES takes messages of up to 40 MB."""


class Simulator:
    """One whole simulator: `app` serves it; `start` and `stop` are for the callbacks that it makes itself."""

    def __init__(self, settings: Settings) -> None:
        """Wire everything; nothing is opened yet."""
        self.core = Core(
            settings, Arrivals(settings.max_arrivals), Modes(settings.seed), Callbacks(settings.retry_scale)
        )
        sns = Sns(self.core)
        ses = Ses(self.core, sns.topics)
        self.vendors = Vendors(Messages(self.core), Calls(self.core), sns, ses, ModerationApi(self.core))
        self._translate = Translate(self.core)
        self._messaging = Messaging(self.core, sns.topics)
        self._page = Page(self.core)
        self.app = web.Application(client_max_size=_LARGEST_REQUEST_BYTES)
        self.app.add_routes(self._routes())

    def _routes(self) -> list[web.RouteDef]:
        vendors = self.vendors
        routed = (vendors.messages, vendors.calls, vendors.ses, vendors.moderation, self._page)
        routes = [route for part in routed for route in part.routes()]
        return [
            *routes,
            *Control(self.core, vendors).routes(),
            web.post("/", self._post_root),
            web.get("/", self._get_root, allow_head=False),
            web.get("/healthz", self._healthz),
            web.get("/{certificate:SimpleNotificationService-[0-9a-f]+\\.pem}", vendors.sns.certificate),
        ]

    async def _post_root(self, request: web.Request) -> web.StreamResponse:
        """SNS, Translate and End User Messaging all post to `/`; the JSON protocols name a target."""
        if request.headers.get("X-Amz-Target", "").startswith(PREFIX):
            return await self._messaging.post(request)
        if "X-Amz-Target" in request.headers:
            return await self._translate.post(request)
        return await self.vendors.sns.post(request)

    async def _get_root(self, request: web.Request) -> web.Response:
        """A link out of an SNS message, or the page."""
        if "Action" in request.query:
            return await self.vendors.sns.get(request)
        return await local_only(self._page.show)(request)

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def start(self, base_url: str) -> None:
        """Begin to make callbacks; `base_url` is how callers reach this process."""
        self.core.base_url = base_url
        await self.core.callbacks.start()
        settings = self.core.settings
        for topic, url in (
            (self.vendors.ses.events_topic_arn, settings.ses_events_url),
            (self._messaging.events_topic_arn, settings.text_events_url),
        ):
            if url:
                self.vendors.sns.topics.subscribe(topic, url.partition(":")[0], url, persistent=True)

    async def stop(self) -> None:
        """Let hanging requests go and stop making callbacks."""
        self.core.modes.reset()
        await self.core.callbacks.stop()
