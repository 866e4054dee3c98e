"""What the adapters to Twilio share: its own library sent to our address, what refusals mean, what a fetch says."""

import asyncio
import json
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from services.kit.errors import Unavailable
from services.kit.logs import get_logger
from services.queue import metrics
from services.queue.failures import OURS, SENDER, coded, explain, is_passing
from services.queue.providers.base import QUICK_SECONDS, Answer, Handed

_log = get_logger(__name__)
KEY_PARAMETER = "delivery_key"
"""Query parameter of the callback address that carries the delivery key."""
OUR_CLOCKS_DIFFER = timedelta(minutes=2)
MOST_LISTED = 100
NOT_REACHED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""The request certainly did not arrive."""
BROKEN = (aiohttp.ClientError, asyncio.TimeoutError, OSError, TwilioException)
"""It may have arrived."""
_TRY_AGAIN = "#rc=5&rp=all"
"""Twilio's connection overrides: up to five more tries whatever the answer is, within the 15 seconds that it allows for
all of them. By itself it repeats a callback once, and only where it found no connection. The fragment is not sent."""
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_UNAVAILABLE = 503
_retry_after_header: ContextVar[str] = ContextVar("retry_after_header", default="")


@dataclass(frozen=True)
class TwilioSettings:
    """The account, and how it is reached."""

    account_sid: str
    auth_token: str
    base_url: str
    """https://api.twilio.com, or the address of something that speaks like it."""
    from_number: str
    """E.164 number, or for texts the SID of a messaging service (MG…)."""
    status_callback_url: str
    """Where Twilio tells what becomes of a text or a call; empty means that it is only asked."""
    timeout_seconds: float = 10.0
    concurrency: int = 50

    def callback(self, delivery_key: str) -> str:
        """Return the callback address of a delivery, empty without callbacks."""
        if not self.status_callback_url:
            return ""
        return f"{self.status_callback_url}?{urlencode({KEY_PARAMETER: delivery_key})}{_TRY_AGAIN}"


class _Http(AsyncHttpClient):  # type: ignore[misc]  # the library has no types
    """The library's way out: to our address, with Retry-After kept.

    The library's own client costs half as much again as the call itself. It writes every field of a form anew, while a
    message's text is the same for everybody; and it keeps cookies, logs and copies of all that passes.
    """

    def __init__(self, settings: TwilioSettings) -> None:
        super().__init__(_log, is_async=True, timeout=settings.timeout_seconds)
        base = urlsplit(settings.base_url)
        self._base = f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}"
        self._session = aiohttp.ClientSession(
            headers={"Authorization": aiohttp.encode_basic_auth(settings.account_sid, settings.auth_token)},
            timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds),
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, str] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Make the call at our address, signed in and with our time-out: what the library says of both is the same."""
        call = self._session.request(
            method,
            _at(self._base, url),
            params=params,
            data=_form(data) if data else None,
            headers=headers,
            allow_redirects=allow_redirects,
        )
        return await _answer_of(call)

    async def post(self, path: str, form: Mapping[str, object]) -> Response:
        """Post a form to one of the API's paths."""
        call = self._session.post(_at(self._base, path), data=_form(form), headers=_FORM, allow_redirects=False)
        return await _answer_of(call)

    def present(self, headers: Mapping[str, str]) -> None:
        """Say in every call from now on who calls."""
        self._session.headers.update(headers)

    async def close(self) -> None:
        """End the connections."""
        await self._session.close()


async def _answer_of(call: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Response:
    async with call as response:
        text = (await response.read()).decode(errors="replace")
    # The library's exception drops the headers; every line of calls is a task of its own, and so is this variable.
    _retry_after_header.set(response.headers.get("Retry-After", ""))
    return Response(response.status, text, response.headers)


@lru_cache(256)
def _at(base: str, url: str) -> str:
    """Return an address of the library's, or a path, at our place."""
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{base}{parts.path}{query}"


_quoted = lru_cache(256)(quote_plus)


def _form(data: Mapping[str, object]) -> bytes:
    pairs = []
    for name, value in data.items():
        if type(value) is str:
            pairs.append(f"{name}={_quoted(value)}")
        else:
            pairs += [f"{name}={_quoted(str(each))}" for each in (value if isinstance(value, list) else [value])]
    return "&".join(pairs).encode()


class TwilioAccount:
    """Twilio's library with our address. Make it inside the running loop; nothing is connected yet."""

    def __init__(self, provider: str, settings: TwilioSettings) -> None:
        """Take the account; `provider` is the adapter's name, as failures.csv has it."""
        self._provider, self._settings = provider, settings
        self._http = _Http(settings)
        self.client: Any = Client(settings.account_sid, settings.auth_token, http_client=self._http)
        self._http.present(self.client.get_headers("GET", {}))

    async def create(self, number: int, resource: str, form: Mapping[str, object], seconds: float) -> Handed:
        """Create a text or a call for the recipient with this number, and return what came of it within the time.

        `resource` and `form` are as Twilio's reference has them.
        """
        try:
            async with asyncio.timeout(seconds):
                sid = await self._created(resource, form)
        except TwilioRestException as problem:
            return _refused(self._provider, number, problem)
        except NOT_REACHED:
            return Handed(number, Answer.UNREACHABLE)
        except BROKEN:
            return Handed(number, Answer.UNSURE)
        return Handed(number, Answer.TAKEN, provider_message_id=sid)

    async def _created(self, resource: str, form: Mapping[str, object]) -> str:
        """Return the SID of what was created.

        The library's classes for it cost a fifth of the call: they take every field that there is, say anew who calls,
        and read every field of an answer of which the SID is all that is kept.
        """
        path = f"/2010-04-01/Accounts/{self._settings.account_sid}/{resource}.json"
        response = await self._http.post(path, form)
        if not 200 <= response.status_code < 300:
            raise self.client.api.v2010.exception("POST", path, response, "Unable to create record")
        return str(json.loads(response.text)["sid"])

    async def ask(
        self, sids: Sequence[str], fetch: Callable[[str], Awaitable[Any]], code_of: Callable[[Any], str]
    ) -> Mapping[str, tuple[str, str]]:
        """Return status and error code by SID, for those of which Twilio tells now. Unavailable when it tells nothing.

        One answer that does not come costs none of the others: its delivery is asked about again.
        """
        limit = asyncio.Semaphore(self._settings.concurrency)
        missed: list[BaseException] = []

        async def one(sid: str) -> tuple[str, tuple[str, str]] | None:
            try:
                async with limit:
                    found = await fetch(sid)
            except BROKEN as problem:
                if not (isinstance(problem, TwilioRestException) and problem.status == 404):
                    missed.append(problem)
                return None
            return sid, (status_of(found), code_of(found))

        answers = dict(filter(None, await asyncio.gather(*(one(sid) for sid in sids))))
        if missed and not answers:
            raise silent() from missed[0]
        return answers

    async def close(self) -> None:
        """End the connections."""
        await self._http.close()


async def from_first(
    provider: str, senders: Iterable[str], create: Callable[[str, float], Awaitable[Handed]], timeout_seconds: float
) -> Handed:
    """Return the answer to the first of the senders that Twilio lets us use; what is wrong with ours costs no delivery.

    `create` is given the seconds that it may take. A refusal that came late leaves less of them to the next sender: one
    hand-over lasts little longer than one request. The last sender is the account's own; where that is refused whomever
    we write to, nobody fares better: nothing was taken.
    """
    until = time.monotonic() + timeout_seconds + QUICK_SECONDS
    wanted = list(dict.fromkeys(each for each in senders if each))
    for sender in wanted:
        answer = await create(sender, min(timeout_seconds, until - time.monotonic()))
        kind = explain(provider, answer.code).kind if answer.answer is Answer.REFUSED else ""
        if kind == SENDER and sender == wanted[-1]:
            return answer._replace(answer=Answer.UNREACHABLE)
        if kind not in {OURS, SENDER}:
            break
        metrics.sender_refused.add(1, {"provider": provider, "code": answer.code})
        _log.warning("sender_refused", provider=provider, code=answer.code)
    return answer


def status_of(found: Any) -> str:
    """Return the status of a text or a call in Twilio's word."""
    return str(getattr(found.status, "value", found.status))


def silent() -> Unavailable:
    """Return the error of a Twilio that does not answer."""
    return Unavailable("PROVIDER_UNAVAILABLE", "Twilio does not answer.")


def _refused(provider: str, number: int, problem: TwilioRestException) -> Handed:
    code = coded(provider, problem.status, str(problem.code or problem.status))
    if problem.status == _UNAVAILABLE or is_passing(provider, code):
        return Handed(number, Answer.UNREACHABLE, code=code, retry_after_seconds=_retry_after())
    if problem.status >= 500:
        # Twilio may have stored the text or call before it failed: only its lists tell.
        return Handed(number, Answer.UNSURE, code=code)
    return Handed(number, Answer.REFUSED, code=code)


def _retry_after() -> float | None:
    try:
        seconds = float(_retry_after_header.get())
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
