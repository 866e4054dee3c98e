"""Twilio Programmable Voice: Calls of the 2010-04-01 API, TwiML given or fetched, progress events."""

from __future__ import annotations

import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from deploy.vendors.arrivals import Arrival
from deploy.vendors.core import Core, advance, new_hex, tags_of_url
from deploy.vendors.outcomes import VOICE, Outcome, phone_outcome
from deploy.vendors.twilio import rest
from deploy.vendors.twilio.errors import MAGIC_FROM_CALL, MAGIC_TO_CALL, TwilioError
from deploy.vendors.twilio.webhooks import twilio_webhook

_RANKS = ("queued", "ringing", "in-progress")
_EVENTS = {"queued": "initiated", "ringing": "ringing", "in-progress": "answered"}
_EVENT_NAMES = frozenset({"initiated", "ringing", "answered", "completed"})
_ANSWERED_SECONDS = 12
_NOT_RETRIEVED = 11200
"""Twilio's warning when what a call should play cannot be had."""


@dataclass
class _Call:
    """What the simulator must know to carry a call through."""

    arrival: Arrival
    outcome: Outcome
    callback: str
    events: frozenset[str]
    url: str
    statuses: tuple[str, ...]
    steps_left: int
    sequence: int = 0
    ended: bool = False
    answered_by: str | None = None
    pressed: list[str] = field(default_factory=list)
    plays: list[str] = field(default_factory=list)


def spoken(twiml: str) -> tuple[str, list[str], str]:
    """What one hears of a TwiML document, the addresses that it plays, and where its first Gather posts keys.

    Raises xml.etree.ElementTree.ParseError when it is no XML, ValueError when the root is not Response.
    """
    root = ET.fromstring(twiml)  # noqa: S314 - it comes from our own services
    if root.tag != "Response":
        raise ValueError("TwiML must begin with Response")
    heard, plays = [], []
    for verb in root.iter():
        if verb.tag == "Say":
            heard.append("".join(verb.itertext()).strip())
        elif verb.tag == "Play":
            plays.append((verb.text or "").strip())
            heard.append(f"♪ {plays[-1]}")
    gather = root.find(".//Gather")
    return "\n".join(heard), plays, "" if gather is None else gather.get("action", "")


class Calls:
    """The Calls resource."""

    def __init__(self, core: Core) -> None:
        """No calls yet."""
        self._core = core
        self._calls: dict[str, _Call] = {}

    def routes(self) -> list[web.RouteDef]:
        """The addresses that the SDK calls."""
        calls = f"{rest.API}/Accounts/{{account}}/Calls"
        return [
            web.post(f"{calls}.json", rest.endpoint(self._core, "voice", self._create)),
            web.get(f"{calls}.json", rest.endpoint(self._core, "voice", self._list)),
            web.get(f"{calls}/{{sid}}.json", rest.endpoint(self._core, "voice", self._fetch)),
            web.post(f"{calls}/{{sid}}.json", rest.endpoint(self._core, "voice", self._update)),
        ]

    def reset(self) -> None:
        """Forget every call under way."""
        self._calls.clear()

    async def _create(self, request: web.Request) -> web.Response:
        form = await rest.read_form(request)
        to, sender, twiml, url = (rest.field(form, name) for name in ("To", "From", "Twiml", "Url"))
        outcome = phone_outcome(VOICE, to)
        self._check(form, to, sender, outcome)
        if flaky := rest.flaky_response(self._core, "voice", to, outcome):
            return flaky
        call = self._accept(form, to, sender, outcome)
        self._hear(call, twiml)
        answer = web.json_response(self._shown(call.arrival), status=201)
        self._schedule(call, url)
        return answer

    def _check(self, form: rest.Form, to: str, sender: str, outcome: Outcome) -> None:
        rest.check_number(to, 21201, MAGIC_TO_CALL)
        rest.check_sender(sender, 21213, MAGIC_FROM_CALL)
        if not rest.field(form, "Twiml") and not rest.field(form, "Url") and "ApplicationSid" not in form:
            raise TwilioError(21205)
        rest.check_callback(rest.field(form, "StatusCallback"))
        for event in form.get("StatusCallbackEvent", ()):
            if not set(event.split()) <= _EVENT_NAMES:
                raise TwilioError(21626, event)
        if outcome.refused:
            raise TwilioError(outcome.refused, to)

    def _accept(self, form: rest.Form, to: str, sender: str, outcome: Outcome) -> _Call:
        callback = rest.field(form, "StatusCallback")
        tags = tags_of_url(callback.partition("#")[0])
        arrival = Arrival("voice", to, sender, "", "CA" + new_hex(), outcome.reaches, tags)
        detecting = bool(rest.field(form, "MachineDetection"))
        machine = outcome.detail == "machine"
        arrival.details = {"machine_detection": rest.field(form, "MachineDetection") or None}
        events = frozenset(" ".join(form.get("StatusCallbackEvent", ["completed"])).split())
        middle = ("ringing", "in-progress") if outcome.end == "completed" else ("ringing",)
        statuses = ("queued", *middle, outcome.end) if outcome.end != "ringing" else ("queued", "ringing", "completed")
        call = _Call(arrival, outcome, callback, events, rest.field(form, "Url"), statuses, len(statuses))
        if detecting and outcome.end == "completed":
            call.answered_by = "machine_end_beep" if machine else "human"
        self._calls[arrival.vendor_id] = call
        self._core.arrivals.add(arrival)
        return call

    def _hear(self, call: _Call, twiml: str) -> str:
        """Put what the TwiML says into the arrival, broken TwiML as an error; returns the address of its Gather."""
        if not twiml:
            return ""
        arrival = call.arrival
        try:
            arrival.text, call.plays, gather = spoken(twiml)
        except (ET.ParseError, ValueError):
            arrival.text, call.plays, gather = "An application error has occurred. Goodbye.", [], ""
            arrival.code = 12100
        arrival.details |= {"twiml": twiml, "gather_action": gather}
        return gather

    def _schedule(self, call: _Call, url: str) -> None:
        shares = tuple(place / (len(call.statuses) - 1) for place in range(len(call.statuses)))

        def step(number: int, times: int) -> None:
            self._step(call, call.statuses[number], times)

        self._core.follow(self._core.plan("voice", call.outcome.habit, shares), step)

    def _step(self, call: _Call, status: str, times: int) -> None:
        if call.ended:
            return
        advance(call.arrival, status, _RANKS, time.time(), call.arrival.code)
        if status == "in-progress":
            self._answered(call)
        event = _EVENTS.get(status, "completed")
        for _ in range(times if call.callback and event in call.events else 0):
            self._tell(
                call, call.callback, self._form(call, "initiated" if status == "queued" else status), "twilio.voice"
            )
        call.steps_left -= 1
        if not call.steps_left:
            self._calls.pop(call.arrival.vendor_id, None)

    def _answered(self, call: _Call) -> None:
        """The line is open: fetch the TwiML if it is at an address, and press a key if the number is one that does."""
        call.arrival.details["answered_by"] = call.answered_by
        if call.url:

            def use(status: int, text: str) -> None:
                gather = self._hear(call, text if status == 200 else "<Broken/>")
                self._play(call)
                self._gather(call, gather)

            webhook = twilio_webhook(
                self._core.settings.twilio_auth_token, call.url, self._form(call, "in-progress"), "twilio.twiml", use
            )
            self._core.callbacks.post(webhook)
        else:
            self._play(call)
            self._gather(call, str(call.arrival.details.get("gather_action", "")))

    def _play(self, call: _Call) -> None:
        """Fetch what the call plays, as Twilio does when somebody listens."""
        for address in call.plays:

            def use(status: int, content_type: str, content: bytes, address: str = address) -> None:
                is_heard = status == 200 and content_type.startswith("audio/") and bool(content)
                call.arrival.code = call.arrival.code if is_heard else _NOT_RETRIEVED
                played = {"url": address, "status": status, "content_type": content_type, "bytes": len(content)}
                call.arrival.details.setdefault("played", []).append(played)
                if is_heard:
                    self._core.audio.keep(call.arrival.seq, content_type, content)

            self._core.callbacks.fetch(address, use)

    def _gather(self, call: _Call, action: str) -> None:
        if action and call.outcome.detail == "press" and not call.pressed:
            call.pressed.append("1")
            self._tell(call, action, self._form(call, "in-progress") | {"Digits": "1"}, "twilio.gather")

    def _tell(self, call: _Call, url: str, form: dict[str, str], kind: str) -> None:
        self._core.callbacks.post(twilio_webhook(self._core.settings.twilio_auth_token, url, form, kind))

    def _form(self, call: _Call, status: str) -> dict[str, str]:
        form = {
            "CallSid": call.arrival.vendor_id,
            "AccountSid": self._core.settings.twilio_account_sid,
            "From": call.arrival.sender,
            "To": call.arrival.to,
            "CallStatus": status,
            "ApiVersion": "2010-04-01",
            "Direction": "outbound-api",
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(call.sequence),
            "Timestamp": rest.rfc2822(time.time()),
        }
        call.sequence += 1
        if status == "completed":
            form |= {"Duration": "1", "CallDuration": str(_ANSWERED_SECONDS), "SipResponseCode": "200"}
        if status in ("busy", "no-answer", "failed"):
            form |= {
                "CallDuration": "0",
                "SipResponseCode": {"busy": "486", "no-answer": "487", "failed": "404"}[status],
            }
        if call.answered_by and status in ("in-progress", "completed"):
            form["AnsweredBy"] = call.answered_by
        return form

    async def _fetch(self, request: web.Request) -> web.Response:
        return web.json_response(self._shown(self._found(request)))

    def _found(self, request: web.Request) -> Arrival:
        arrival = self._core.arrivals.find(request.match_info["sid"])
        if arrival is None or arrival.channel != "voice":
            raise TwilioError(20404, request.path)
        return arrival

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        found = self._core.arrivals.newest_first(query.get("To", ""))
        wanted = (
            a
            for a in found
            if a.channel == "voice"
            and query.get("From", a.sender) == a.sender
            and query.get("Status", a.status) == a.status
        )
        return web.json_response(rest.page(request, "calls", rest.dated(wanted, query, "StartTime"), self._shown))

    async def _update(self, request: web.Request) -> web.Response:
        """Hang up (`completed`) or take back (`canceled`, before it is answered) a call under way."""
        arrival = self._found(request)
        form = await rest.read_form(request)
        wanted = rest.field(form, "Status")
        call = self._calls.pop(arrival.vendor_id, None)
        if wanted not in ("canceled", "completed") or call is None or arrival.status not in _RANKS:
            raise TwilioError(21220)
        cancelled = arrival.status != "in-progress"
        arrival.reaches = arrival.reaches and not cancelled
        advance(arrival, "canceled" if cancelled else "completed", _RANKS, time.time())
        call.ended = True
        if call.callback and "completed" in call.events:
            self._tell(call, call.callback, self._form(call, arrival.status), "twilio.voice")
        return web.json_response(self._shown(arrival))

    def _shown(self, arrival: Arrival) -> dict[str, Any]:
        account = self._core.settings.twilio_account_sid
        uri = f"{rest.API}/Accounts/{account}/Calls/{arrival.vendor_id}"
        over = arrival.status not in _RANKS
        return {
            "sid": arrival.vendor_id,
            "date_created": rest.rfc2822(arrival.at),
            "date_updated": rest.rfc2822(arrival.changed_at or arrival.at),
            "parent_call_sid": None,
            "account_sid": account,
            "to": arrival.to,
            "to_formatted": arrival.to,
            "from": arrival.sender,
            "from_formatted": arrival.sender,
            "phone_number_sid": None,
            "status": arrival.status,
            "start_time": None if arrival.status == "queued" else rest.rfc2822(arrival.at),
            "end_time": rest.rfc2822(arrival.changed_at) if over else None,
            "duration": (str(_ANSWERED_SECONDS) if arrival.status == "completed" else "0") if over else None,
            "price": None,
            "price_unit": "USD",
            "direction": "outbound-api",
            "answered_by": arrival.details.get("answered_by"),
            "api_version": "2010-04-01",
            "forwarded_from": None,
            "group_sid": None,
            "caller_name": None,
            "queue_time": "0",
            "trunk_sid": None,
            "uri": f"{uri}.json",
            "subresource_uris": {"recordings": f"{uri}/Recordings.json", "events": f"{uri}/Events.json"},
        }
