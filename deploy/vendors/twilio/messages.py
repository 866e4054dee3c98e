"""Twilio Programmable Messaging: Messages of the 2010-04-01 API, their status callbacks, and families' replies."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from deploy.vendors.arrivals import Arrival
from deploy.vendors.core import Core, advance, new_hex, tags_of_url
from deploy.vendors.outcomes import SMS, Outcome, phone_outcome
from deploy.vendors.twilio import rest
from deploy.vendors.twilio.errors import MAGIC_FROM_MESSAGE, MAGIC_TO_MESSAGE, TwilioError
from deploy.vendors.twilio.webhooks import twilio_webhook

_RANKS = ("accepted", "queued", "sending", "sent")
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
_LONGEST_BODY = 1600
_LONGEST_VALIDITY_SECONDS = 36_000
_ERROR_TEXTS = {
    30003: "Unreachable destination handset",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30007: "Message filtered",
    30008: "Unknown error",
}
STOP_WORDS = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS = frozenset({"start", "yes", "unstop"})


def count_segments(body: str) -> int:
    """How many SMS a text takes: 160 GSM-7 characters in one, 153 in each of several; 70 and 67 for UCS-2."""
    if set(body) <= _GSM:
        length = len(body) + sum(body.count(sign) for sign in "^{}\\[~]|€")
        alone, joined = 160, 153
    else:
        length, alone, joined = len(body.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= alone else -(-length // joined)


def _check_validity(period: str) -> None:
    if period and not (period.isdecimal() and 1 <= int(period) <= _LONGEST_VALIDITY_SECONDS):
        raise TwilioError(20001, "ValidityPeriod")


class Messages:
    """The Messages resource. `opted_out` holds the numbers that answered STOP and have not answered START since."""

    def __init__(self, core: Core) -> None:
        """Nobody has opted out."""
        self._core = core
        self.opted_out: set[str] = set()

    def routes(self) -> list[web.RouteDef]:
        """The addresses that the SDK calls."""
        messages = f"{rest.API}/Accounts/{{account}}/Messages"
        return [
            web.post(f"{messages}.json", rest.endpoint(self._core, "sms", self._create)),
            web.get(f"{messages}.json", rest.endpoint(self._core, "sms", self._list)),
            web.get(f"{messages}/{{sid}}.json", rest.endpoint(self._core, "sms", self._fetch)),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        form = await rest.read_form(request)
        to, sender, body = (rest.field(form, name) for name in ("To", "From", "Body"))
        outcome = phone_outcome(SMS, to)
        self._check(form, to, sender, body, outcome)
        if flaky := rest.flaky_response(self._core, "sms", to, outcome):
            return flaky
        callback = rest.field(form, "StatusCallback")
        arrival = self._accept(form, to, sender or self._core.settings.twilio_from_number, body, callback, outcome)
        answer = web.json_response(self._shown(arrival), status=201)
        self._schedule(arrival, callback, outcome)
        return answer

    def _check(self, form: rest.Form, to: str, sender: str, body: str, outcome: Outcome) -> None:
        rest.check_number(to, 21604, MAGIC_TO_MESSAGE)
        if "MessagingServiceSid" not in form:
            rest.check_sender(sender, 21603, MAGIC_FROM_MESSAGE)
        if not body and "MediaUrl" not in form and "ContentSid" not in form:
            raise TwilioError(21602)
        if len(body) > _LONGEST_BODY:
            raise TwilioError(21617)
        rest.check_callback(rest.field(form, "StatusCallback"))
        _check_validity(rest.field(form, "ValidityPeriod"))
        if to in self.opted_out:
            raise TwilioError(21610)
        if outcome.refused:
            raise TwilioError(outcome.refused, to)

    def _accept(self, form: rest.Form, to: str, sender: str, body: str, callback: str, outcome: Outcome) -> Arrival:
        service = rest.field(form, "MessagingServiceSid")
        media = len(form.get("MediaUrl", ()))
        arrival = Arrival(
            channel="sms",
            to=to,
            sender=sender,
            text=body,
            vendor_id=("MM" if media else "SM") + new_hex(),
            reaches=outcome.reaches,
            tags=tags_of_url(callback.partition("#")[0]),
            status="accepted" if service else "queued",
        )
        if service or media:
            arrival.details = {"messaging_service_sid": service or None, "num_media": media}
        if period := rest.field(form, "ValidityPeriod"):
            arrival.details["validity_period"] = int(period)
        return self._core.arrivals.add(arrival)

    def _schedule(self, arrival: Arrival, callback: str, outcome: Outcome) -> None:
        steps = ("sent", outcome.end)

        def step(number: int, times: int) -> None:
            code = outcome.code if number == 1 else None
            advance(arrival, steps[number], _RANKS, time.time(), code)
            for _ in range(times if callback else 0):
                self._call_back(arrival, callback, steps[number], code)

        self._core.follow(self._core.plan("sms", outcome.habit, (0.5, 1.0)), step)

    def _call_back(self, arrival: Arrival, callback: str, status: str, code: int | None) -> None:
        form = {
            "SmsSid": arrival.vendor_id,
            "SmsStatus": status,
            "MessageStatus": status,
            "To": arrival.to,
            "MessageSid": arrival.vendor_id,
            "AccountSid": self._core.settings.twilio_account_sid,
            "From": arrival.sender,
            "ApiVersion": "2010-04-01",
        }
        if code is not None:
            form["ErrorCode"] = str(code)
        token = self._core.settings.twilio_auth_token
        self._core.callbacks.post(twilio_webhook(token, callback, form, "twilio.sms"))

    async def _fetch(self, request: web.Request) -> web.Response:
        arrival = self._core.arrivals.find(request.match_info["sid"])
        if arrival is None or arrival.channel != "sms":
            raise TwilioError(20404, request.path)
        return web.json_response(self._shown(arrival))

    async def _list(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        found = self._core.arrivals.newest_first(query.get("To", ""))
        wanted = (a for a in found if a.channel == "sms" and query.get("From", a.sender) == a.sender)
        return web.json_response(rest.page(request, "messages", rest.dated(wanted, query, "DateSent"), self._shown))

    def _shown(self, arrival: Arrival) -> dict[str, Any]:
        account = self._core.settings.twilio_account_sid
        uri = f"{rest.API}/Accounts/{account}/Messages/{arrival.vendor_id}"
        changed = arrival.changed_at or arrival.at
        return {
            "body": arrival.text,
            "num_segments": str(count_segments(arrival.text)),
            "direction": "outbound-api",
            "from": arrival.sender,
            "to": arrival.to,
            "date_updated": rest.rfc2822(changed),
            "price": None,
            "error_message": _ERROR_TEXTS.get(arrival.code) if arrival.code else None,
            "uri": f"{uri}.json",
            "account_sid": account,
            "num_media": str(arrival.details.get("num_media", 0)),
            "status": arrival.status,
            "messaging_service_sid": arrival.details.get("messaging_service_sid"),
            "sid": arrival.vendor_id,
            "date_sent": None if arrival.status in _RANKS[:3] else rest.rfc2822(arrival.at),
            "date_created": rest.rfc2822(arrival.at),
            "error_code": arrival.code,
            "price_unit": "USD",
            "api_version": "2010-04-01",
            "subresource_uris": {"media": f"{uri}/Media.json", "feedback": f"{uri}/Feedback.json"},
        }

    def receive_reply(self, sender: str, body: str, to: str = "") -> str:
        """A family's text to the district's number: remember STOP and START, post it. Returns the message's sid."""
        word = body.strip().lower()
        if word in STOP_WORDS:
            self.opted_out.add(sender)
        elif word in START_WORDS:
            self.opted_out.discard(sender)
        settings = self._core.settings
        sid = "SM" + new_hex()
        if settings.twilio_inbound_url:
            form = self._inbound_form(sid, sender, to or settings.twilio_from_number, body, word)
            webhook = twilio_webhook(settings.twilio_auth_token, settings.twilio_inbound_url, form, "twilio.inbound")
            self._core.callbacks.post(webhook)
        return sid

    def _inbound_form(self, sid: str, sender: str, to: str, body: str, word: str) -> dict[str, str]:
        form = {
            "ToCountry": "US",
            "SmsMessageSid": sid,
            "NumMedia": "0",
            "SmsSid": sid,
            "SmsStatus": "received",
            "Body": body,
            "FromCountry": "US",
            "To": to,
            "NumSegments": str(count_segments(body)),
            "MessageSid": sid,
            "AccountSid": self._core.settings.twilio_account_sid,
            "From": sender,
            "ApiVersion": "2010-04-01",
        }
        kind = (
            "STOP"
            if word in STOP_WORDS
            else "START"
            if word in START_WORDS
            else "HELP"
            if word in ("help", "info")
            else ""
        )
        return form | ({"OptOutType": kind} if kind else {})
