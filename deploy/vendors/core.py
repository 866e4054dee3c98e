"""What every simulated vendor is given: the settings and the four things that they share."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from deploy.vendors.arrivals import Arrival, Arrivals
from deploy.vendors.callbacks import Callbacks
from deploy.vendors.modes import Modes
from deploy.vendors.outcomes import Habit, Planned, plan_receipts
from deploy.vendors.settings import Settings


class KeptAudio:
    """The audio of the newest calls that played one, by the number of their arrival."""

    def __init__(self, limit: int = 50) -> None:
        """Keep at most so many."""
        self._limit = limit
        self._kept: dict[int, tuple[str, bytes]] = {}

    def keep(self, seq: int, content_type: str, content: bytes) -> None:
        """Keep what a call played."""
        self._kept[seq] = (content_type, content)
        if len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]

    def reset(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def find(self, seq: int) -> tuple[str, bytes] | None:
        """Content type and content, if they are still kept."""
        return self._kept.get(seq)


@dataclass
class Core:
    """Shared state. `base_url` is this process as its callers see it, known once the port is open."""

    settings: Settings
    arrivals: Arrivals
    modes: Modes
    callbacks: Callbacks
    base_url: str = ""
    audio: KeptAudio = field(default_factory=KeptAudio)

    def plan(self, provider: str, habit: Habit, shares: tuple[float, ...]) -> list[Planned]:
        """When the receipts of one message come; `shares` are parts of the configured time to the last receipt."""
        whole = self.settings.receipt_seconds
        offsets = [share * whole for share in shares]
        if habit == "slow":
            offsets[-1] = max(self.settings.slow_seconds, whole)
        mode, late_seconds = self.modes.receipts(provider)
        return plan_receipts(offsets, habit, mode, late_seconds)

    def follow(self, plan: list[Planned], step: Callable[[int, int], None]) -> None:
        """Call `step(number, times_told)` at each planned moment."""
        for planned in plan:
            self.callbacks.later(planned.after_seconds, _bound(step, planned))


def _bound(step: Callable[[int, int], None], planned: Planned) -> Callable[[], None]:
    return lambda: step(planned.step, planned.times_told)


Answer = Callable[[int, float | None], web.Response]
"""How a vendor words a refusal: HTTP status 429 or 500 and the seconds of Retry-After."""


async def through_modes(
    core: Core, provider: str, request: web.Request, answer: Answer, handle: Callable[[], Awaitable[web.Response]]
) -> web.StreamResponse:
    """Handle a request the way the provider's present outage mode wants it."""
    mode = core.modes.draw(provider)
    if mode.delay_seconds:
        await core.modes.pause(mode.delay_seconds)
    if mode.mode == "hang":
        return await core.modes.hang(request)
    if mode.mode == "429":
        return answer(429, mode.retry_after_seconds)
    if mode.mode == "500":
        return answer(500, None)
    response = await handle()
    return await core.modes.hang(request) if mode.mode == "timeout_after_accept" else response


def retry_after(seconds: float | None) -> dict[str, str]:
    """The Retry-After header in whole seconds, at least 1, or no header."""
    return {} if seconds is None else {"Retry-After": str(max(1, round(seconds)))}


def tags_of_url(url: str) -> dict[str, str]:
    """The query of a callback address: what the caller wanted to know again later."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) if "?" in url else {}


def new_hex() -> str:
    """32 hexadecimal digits that were never used before."""
    return uuid.uuid4().hex


def advance(arrival: Arrival, status: str, ranks: tuple[str, ...], now: float, code: int | None = None) -> None:
    """Move an arrival to a status unless it is already past it; `ranks` lists the statuses that are not last."""
    order = {name: place for place, name in enumerate(ranks)}
    if order.get(status, len(ranks)) < order.get(arrival.status, len(ranks)):
        return
    arrival.status, arrival.code, arrival.changed_at = status, code, now
