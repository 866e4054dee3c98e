"""The page that shows what arrived: telephones and inboxes side by side, newest first. Works without script."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import jinja2
from aiohttp import web

from deploy.vendors.arrivals import Arrival
from deploy.vendors.control import local_only
from deploy.vendors.core import Core
from deploy.vendors.outcomes import outcome_tables

_SHOWN = 60
_POLICY = "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; form-action 'self'"
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters["clock"] = lambda seconds: datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")


class Page:
    """`GET /`."""

    def __init__(self, core: Core) -> None:
        """Read the template once."""
        self._core = core
        self._template = _ENVIRONMENT.get_template("page.html.jinja")

    def routes(self) -> list[web.RouteDef]:
        """The page of one arrival; the list is dispatched with `GET /`."""
        return [
            web.get("/arrived/{seq:\\d+}", local_only(self._one)),
            web.get("/arrived/{seq:\\d+}/audio", local_only(self._audio)),
        ]

    async def show(self, request: web.Request) -> web.Response:
        """The page, filtered by the destination, name or text in ?q=."""
        wanted = request.query.get("q", "").strip().lower()
        phones = self._newest(("sms", "voice", "push"), wanted)
        inboxes = self._newest(("email",), wanted)
        return self._rendered(request, phones=phones, inboxes=inboxes, one=None)

    async def _one(self, request: web.Request) -> web.Response:
        seq = int(request.match_info["seq"])
        found = next((arrival for arrival in self._core.arrivals.newest_first() if arrival.seq == seq), None)
        if found is None:
            raise web.HTTPNotFound(text="No such arrival is kept.")
        has_audio = self._core.audio.find(seq) is not None
        return self._rendered(request, phones=[], inboxes=[], one=found.as_json(), has_audio=has_audio)

    async def _audio(self, request: web.Request) -> web.Response:
        """What a call played."""
        found = self._core.audio.find(int(request.match_info["seq"]))
        if found is None:
            raise web.HTTPNotFound(text="This call played nothing that is kept.")
        return web.Response(body=found[1], content_type=found[0])

    def _newest(self, channels: tuple[str, ...], wanted: str) -> list[Arrival]:
        found = (a for a in self._core.arrivals.newest_first() if a.channel in channels and _matches(a, wanted))
        return list(islice(found, _SHOWN))

    def _rendered(self, request: web.Request, **parts: object) -> web.Response:
        text = self._template.render(
            counts=self._core.arrivals.counts(),
            modes={name: mode for name, mode in self._core.modes.as_json().items() if mode["mode"] != "ok"},
            tables=outcome_tables(),
            q=request.query.get("q", ""),
            paused="pause" in request.query,
            **parts,
        )
        headers = {"Content-Security-Policy": _POLICY}
        return web.Response(text=text, content_type="text/html", headers=headers)


def _matches(arrival: Arrival, wanted: str) -> bool:
    return not wanted or any(wanted in part.lower() for part in (arrival.to, arrival.subject, arrival.text))
