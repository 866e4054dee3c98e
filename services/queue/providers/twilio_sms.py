"""Texts by Twilio's Messages resource, through Twilio's own library. Its address can be another than twilio.com."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from services.kit.errors import Unavailable
from services.queue.domain import Channel
from services.queue.providers.base import Answer, Found, Handed, MayContinue, Others, Trace
from services.queue.providers.fan_out import fan_out
from services.queue.records import Recipient, Work

KEY_PARAMETER = "delivery_key"
"""Query parameter of the callback address that carries the delivery key."""
_retry_after_header: ContextVar[str] = ContextVar("retry_after_header", default="")
_OUR_CLOCKS_DIFFER = timedelta(minutes=2)
_NOT_REACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_BROKEN = (aiohttp.ClientError, asyncio.TimeoutError, OSError, TwilioException)
_MOST_LISTED = 100
_TOO_MANY = 429
_UNAVAILABLE = 503


@dataclass(frozen=True)
class TwilioSettings:
    """The account, and how it is reached."""

    account_sid: str
    auth_token: str
    base_url: str
    """https://api.twilio.com, or the address of something that speaks like it."""
    from_number: str
    """E.164 number, or the SID of a messaging service (MG…)."""
    status_callback_url: str
    """Where Twilio tells what becomes of a text; empty means that it is only asked."""
    timeout_seconds: float = 10.0
    concurrency: int = 50


class _Http(AsyncTwilioHttpClient):  # type: ignore[misc]  # the library has no types
    """Twilio's client, sent to another address, with Retry-After kept."""

    def __init__(self, settings: TwilioSettings) -> None:
        super().__init__(timeout=settings.timeout_seconds, pool_connections=True)
        self._base = urlsplit(settings.base_url)

        self._timeout_seconds = settings.timeout_seconds

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Make the call at our address. The library ignores the client's time-out, and signs in a deprecated way."""
        parts = urlsplit(url)
        path = self._base.path.rstrip("/") + parts.path
        there = urlunsplit((self._base.scheme, self._base.netloc, path, parts.query, ""))
        signed = {"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {}
        response = await super().request(
            method,
            there,
            params=params,
            data=data,
            headers={**(headers or {}), **signed},
            timeout=timeout or self._timeout_seconds,
            allow_redirects=allow_redirects,
        )
        # The library's exception drops the headers; every send is a task of its own, and so is this variable.
        _retry_after_header.set(str((response.headers or {}).get("Retry-After", "")))
        return response


class TwilioSms:
    """The adapter. Make it inside the running loop."""

    name = "twilio"
    channel = Channel.SMS
    tells = True

    def __init__(self, settings: TwilioSettings) -> None:
        """Nothing is connected yet."""
        self._settings = settings
        self.concurrency = settings.concurrency
        self._http = _Http(settings)
        self._client = Client(settings.account_sid, settings.auth_token, http_client=self._http)

    def hand_over(
        self, work: Work, recipients: Sequence[Recipient], may_continue: MayContinue
    ) -> AsyncIterator[Handed]:
        """Send a text to each recipient."""
        return fan_out(recipients, lambda one: self._send(work, one), may_continue, self.concurrency)

    async def _send(self, work: Work, recipient: Recipient) -> Handed:
        callback = {}
        if self._settings.status_callback_url:
            query = urlencode({KEY_PARAMETER: str(work.batch.key(recipient.number))})
            callback = {"status_callback": f"{self._settings.status_callback_url}?{query}"}
        sender = self._settings.from_number
        origin = {"messaging_service_sid": sender} if sender.startswith("MG") else {"from_": sender}
        try:
            message = await self._client.messages.create_async(
                to=recipient.destination, body=work.content.text, **origin, **callback
            )
        except TwilioRestException as problem:
            return _refused(recipient.number, problem)
        except _NOT_REACHED:
            return Handed(recipient.number, Answer.UNREACHABLE)
        except _BROKEN:
            return Handed(recipient.number, Answer.UNSURE)
        return Handed(recipient.number, Answer.TAKEN, provider_message_id=str(message.sid))

    async def trace(self, work: Work, recipients: Sequence[Recipient], others: Others) -> Mapping[int, Trace]:
        """Look for our text in what the account sent to each number since the batch was claimed.

        Twilio has no search by callback address: number, text and time must do. Two deliveries of the same text to
        the same number count each text once, oldest first.
        """
        by_number: dict[str, list[Recipient]] = {}
        for each in recipients:
            by_number.setdefault(each.destination, []).append(each)
        limit = asyncio.Semaphore(self.concurrency)
        sent = await asyncio.gather(*(self._sent_to(work, number, limit) for number in by_number))
        taken = await others([str(each.sid) for messages in sent for each in messages])
        found: dict[int, Trace] = {}
        for messages, people in zip(sent, by_number.values(), strict=True):
            found |= _assigned(people, [one for one in messages if str(one.sid) not in taken])
        return found

    async def _sent_to(self, work: Work, number: str, limit: asyncio.Semaphore) -> list[Any]:
        """Return our text as sent to the number since the batch was claimed, oldest first."""
        since = work.batch.claimed_at - _OUR_CLOCKS_DIFFER
        try:
            async with limit:
                sent = await self._client.messages.list_async(to=number, limit=_MOST_LISTED, page_size=_MOST_LISTED)
        except _BROKEN as problem:
            raise Unavailable("PROVIDER_UNAVAILABLE", "Twilio does not answer.") from problem
        ours = [
            each
            for each in sent
            if each.body == work.content.text and (not each.date_created or each.date_created >= since)
        ]
        return ours[::-1]

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Fetch each message."""
        limit = asyncio.Semaphore(self.concurrency)

        async def one(sid: str) -> tuple[str, tuple[str, str]] | None:
            try:
                async with limit:
                    message = await self._client.messages(sid).fetch_async()
            except TwilioRestException as problem:
                if problem.status == 404:
                    return None
                raise Unavailable("PROVIDER_UNAVAILABLE", "Twilio does not answer.") from problem
            except _BROKEN as problem:
                raise Unavailable("PROVIDER_UNAVAILABLE", "Twilio does not answer.") from problem
            return sid, (str(getattr(message.status, "value", message.status)), str(message.error_code or ""))

        answers = await asyncio.gather(*(one(sid) for sid in provider_message_ids))
        return dict(each for each in answers if each)

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()


def _assigned(recipients: Sequence[Recipient], messages: Sequence[Any]) -> dict[int, Trace]:
    found = {}
    for position, recipient in enumerate(recipients):
        if position < len(messages):
            one = messages[position]
            status = str(getattr(one.status, "value", one.status))
            found[recipient.number] = Trace(Found.TAKEN, str(one.sid), status, str(one.error_code or ""))
        else:
            found[recipient.number] = Trace(Found.NOT_TAKEN)
    return found


def _refused(number: int, problem: TwilioRestException) -> Handed:
    code = str(problem.code or problem.status)
    if problem.status in {_TOO_MANY, _UNAVAILABLE}:
        return Handed(number, Answer.UNREACHABLE, code=code, retry_after_seconds=_retry_after())
    if problem.status >= 500:
        # Twilio may have stored the text before it failed: only its list of messages tells.
        return Handed(number, Answer.UNSURE, code=code)
    return Handed(number, Answer.REFUSED, code=code)


def _retry_after() -> float | None:
    try:
        seconds = float(_retry_after_header.get())
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
