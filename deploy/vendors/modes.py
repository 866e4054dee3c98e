"""Outage modes: what an operator or a test tells a provider to do wrong."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

PROVIDERS = ("sms", "voice", "ses", "sns", "aws_sms", "aws_voice", "translate", "moderation")
REQUEST_MODES = frozenset({"ok", "hang", "429", "500", "timeout_after_accept"})
RECEIPT_MODES = frozenset({"drop_receipts", "duplicate_receipts", "late_receipts", "reorder"})
MODERATION_MODES = frozenset({"schema_drift", "partial", "renamed", "quota_exceeded", "key_refused", "400", "drip"})
HANG_SECONDS = 120.0
"""A hanging request is given up by the simulator after this long, so that abandoned ones do not pile up."""
DRIP_SECONDS = 0.05
"""Between two bytes of an answer that drips: sooner than any time-out on silence."""


@dataclass(frozen=True)
class Mode:
    """What one provider does at present. `probability` is 0 to 1; `delay_seconds` is added to every answer."""

    mode: str = "ok"
    probability: float = 1.0
    retry_after_seconds: float = 1.0
    delay_seconds: float = 0.0
    late_seconds: float = 30.0
    count: int | None = None


class ModeError(ValueError):
    """The control request names a provider, mode or field that does not exist."""


def parse_mode(provider: str, fields: Mapping[str, Any]) -> Mode:
    """Check one provider's entry of a control request. Raises ModeError."""
    unknown = set(fields) - set(Mode.__dataclass_fields__)
    if unknown:
        raise ModeError(f"{provider}: unknown field {sorted(unknown)[0]!r}")
    mode = Mode(**{**fields, "mode": str(fields.get("mode", "ok"))})
    allowed = REQUEST_MODES | RECEIPT_MODES | (MODERATION_MODES if provider == "moderation" else frozenset())
    if mode.mode not in allowed:
        raise ModeError(f"{provider}: mode must be one of {', '.join(sorted(allowed))}")
    for name in ("probability", "retry_after_seconds", "delay_seconds", "late_seconds"):
        value = getattr(mode, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise ModeError(f"{provider}: {name} must be a number of at least 0")
    return mode


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Modes:
    """The present mode of every provider, and the dice for those that act with a probability.

    `hanging` is the number of requests that are kept waiting now.
    """

    def __init__(self, seed: int) -> None:
        """Everything works; `seed` makes the dice repeatable."""
        self._seed = seed
        self._released = asyncio.Event()
        self.hanging = 0
        self.reset()

    def reset(self) -> None:
        """Everything works again; requests that hang are let go without an answer."""
        self._dice = random.Random(self._seed)
        self._modes = {provider: Mode() for provider in PROVIDERS}
        self._flaky: set[tuple[str, str]] = set()
        self._release()

    def _release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    def change(self, wanted: Mapping[str, Any]) -> None:
        """Change the named providers; `twilio` stands for sms and voice. Raises ModeError, and then changes nothing."""
        parsed: dict[str, Mode] = {}
        for provider, fields in wanted.items():
            names = ("sms", "voice") if provider == "twilio" else (provider,)
            if not set(names) <= set(PROVIDERS) or not isinstance(fields, Mapping):
                raise ModeError(f"{provider}: no such provider, or its mode is not an object")
            parsed |= {name: parse_mode(name, fields) for name in names}
        self._modes |= parsed
        self._release()

    def as_json(self) -> dict[str, dict[str, Any]]:
        """The present modes."""
        return {provider: asdict(mode) for provider, mode in self._modes.items()}

    def receipts(self, provider: str) -> tuple[str, float]:
        """The receipt mode drawn for one message, and how many seconds late receipts are."""
        mode = self._modes[provider]
        return (mode.mode, mode.late_seconds) if mode.mode in RECEIPT_MODES and self._drawn(mode) else ("ok", 0.0)

    def draw(self, provider: str) -> Mode:
        """The request mode for one request: the provider's mode or, by the dice, ok. Uses up `count` if it is set."""
        mode = self._modes[provider]
        if mode.mode == "ok" or mode.mode in RECEIPT_MODES or not self._drawn(mode):
            return Mode(delay_seconds=mode.delay_seconds)
        if mode.count is not None:
            left = mode.count - 1
            self._modes[provider] = Mode(**{**asdict(mode), "count": left}) if left > 0 else Mode()
        return mode

    def _drawn(self, mode: Mode) -> bool:
        return mode.probability >= 1.0 or self._dice.random() < mode.probability

    def first_time(self, channel: str, destination: str) -> bool:
        """True the first time that a flaky destination is tried, and again after it has been let through."""
        key = (channel, destination)
        if key in self._flaky:
            self._flaky.discard(key)
            return False
        self._flaky.add(key)
        return True

    @staticmethod
    async def pause(seconds: float) -> None:
        """A slow answer: wait so many seconds."""
        await asyncio.sleep(seconds)

    async def hang(self, request: web.Request) -> web.StreamResponse:
        """Never answer: wait until the mode changes or the time is up, then cut the connection."""
        released = self._released
        self.hanging += 1
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANG_SECONDS):
                    await released.wait()
        finally:
            self.hanging -= 1
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)

    async def drip(self, request: web.Request, answer: web.Response) -> web.StreamResponse:
        """Give an answer byte by byte, until the mode changes, the caller has gone or the time is up."""
        released = self._released
        body = bytes(answer.body) if isinstance(answer.body, bytes | bytearray) else b""
        slow = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
        await slow.prepare(request)
        self.hanging += 1
        try:
            async with asyncio.timeout(HANG_SECONDS):
                for byte in body:
                    await slow.write(bytes((byte,)))
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(DRIP_SECONDS):
                            await released.wait()
                        break
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self.hanging -= 1
        if request.transport is not None:
            request.transport.abort()
        return slow
