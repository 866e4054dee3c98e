"""What Twilio's Messages and Calls share: authentication, forms, number rules and the pages of a list."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from email.utils import format_datetime
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web

from deploy.vendors.arrivals import Arrival
from deploy.vendors.core import Core, through_modes
from deploy.vendors.outcomes import Outcome
from deploy.vendors.twilio.errors import TwilioError, error_response, outage_response

API = "/2010-04-01"
Form = dict[str, list[str]]
_NUMBER = re.compile(r"\+(1[2-9]\d{2}[2-9]\d{6}|[2-9]\d{6,14})")
_SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{5,6}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")


async def read_form(request: web.Request) -> Form:
    """The posted form; a name that is repeated keeps all its values."""
    form: Form = {}
    for name, value in parse_qsl((await request.read()).decode("utf-8", "replace"), keep_blank_values=True):
        form.setdefault(name, []).append(value)
    return form


def field(form: Form, name: str) -> str:
    """The last value of a field, or an empty string."""
    return form[name][-1] if name in form else ""


def check_account(core: Core, request: web.Request) -> None:
    """Raise TwilioError 20003 unless the basic credentials are the account's and the path names the account."""
    settings = core.settings
    wanted = base64.b64encode(f"{settings.twilio_account_sid}:{settings.twilio_auth_token}".encode())
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    right = kind.lower() == "basic" and hmac.compare_digest(given.strip().encode(), wanted)
    if not right or request.match_info["account"] != settings.twilio_account_sid:
        raise TwilioError(20003)


def endpoint(
    core: Core, provider: str, handle: Callable[[web.Request], Awaitable[web.Response]]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Wrap a handler: credentials first, then the outage mode; a TwilioError becomes Twilio's JSON."""

    async def answered(request: web.Request) -> web.Response:
        try:
            return await handle(request)
        except TwilioError as error:
            return error_response(error.code, error.value)

    async def wrapped(request: web.Request) -> web.StreamResponse:
        try:
            check_account(core, request)
        except TwilioError as error:
            return error_response(error.code)
        return await through_modes(core, provider, request, outage_response, lambda: answered(request))

    return wrapped


def check_number(number: str, missing: int, magic: dict[str, int]) -> None:
    """Raise TwilioError for a destination that is absent, malformed or one of Twilio's magic numbers."""
    if not number:
        raise TwilioError(missing)
    if number in magic:
        raise TwilioError(magic[number], number)
    if not _NUMBER.fullmatch(number):
        raise TwilioError(21211, number)


def check_sender(sender: str, missing: int, magic: dict[str, int]) -> None:
    """Raise TwilioError for a sender that is absent, malformed or magic. Any well-formed sender counts as owned."""
    if not sender:
        raise TwilioError(missing)
    if sender in magic:
        raise TwilioError(magic[sender], sender)
    if not _SENDER.fullmatch(sender):
        raise TwilioError(21212, sender)


def check_callback(url: str) -> None:
    """Raise TwilioError 21609 for a callback address that is not http(s)."""
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise TwilioError(21609, url)


def flaky_response(core: Core, channel: str, number: str, outcome: Outcome) -> web.Response | None:
    """The refusal that a flaky destination gets the first time."""
    if outcome.flaky is None or not core.modes.first_time(channel, number):
        return None
    return outage_response(outcome.flaky, 1.0 if outcome.flaky == 429 else None)


def rfc2822(seconds: float) -> str:
    """A time as the 2010 API writes it."""
    return format_datetime(datetime.fromtimestamp(int(seconds), UTC))


def _bounds(text: str) -> tuple[float, float]:
    """The first and last moment of a date, or of a time, in seconds since 1970. Raises TwilioError 20001."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TwilioError(20001, text) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole_day = len(text) == 10 and moment.timetz().replace(tzinfo=None) == time()
    return moment.timestamp(), (moment + timedelta(days=1)).timestamp() if whole_day else moment.timestamp() + 1


def dated(arrivals: Iterable[Arrival], query: dict[str, str], name: str) -> Iterable[Arrival]:
    """Only the arrivals whose time fits `name`, `name<` (not later than) and `name>` (not earlier than)."""
    exact, before, after = (_bounds(query[key]) if key in query else None for key in (name, f"{name}<", f"{name}>"))
    for arrival in arrivals:
        if exact and not exact[0] <= arrival.at < exact[1]:
            continue
        if (before and arrival.at >= before[1]) or (after and arrival.at < after[0]):
            continue
        yield arrival


def _whole(query: dict[str, str], name: str, default: int) -> int:
    value = query.get(name, "")
    if value and not value.isdecimal():
        raise TwilioError(20001, name)
    return int(value) if value else default


def page(
    request: web.Request, noun: str, found: Iterable[Arrival], shown: Callable[[Arrival], dict[str, Any]]
) -> dict[str, Any]:
    """One page of a list, newest first, with the addresses of its neighbours. Raises TwilioError 20001."""
    query = dict(request.query)
    size = min(1000, max(1, _whole(query, "PageSize", 50)))
    number = _whole(query, "Page", 0)
    rows = list(islice(found, number * size, (number + 1) * size + 1))

    def address(of_page: int) -> str:
        return f"{request.path}?{urlencode({**query, 'PageSize': size, 'Page': of_page})}"

    return {
        noun: [shown(row) for row in rows[:size]],
        "page": number,
        "page_size": size,
        "start": number * size,
        "end": number * size + max(0, len(rows[:size]) - 1),
        "uri": address(number),
        "first_page_uri": address(0),
        "next_page_uri": address(number + 1) if len(rows) > size else None,
        "previous_page_uri": address(number - 1) if number else None,
    }
