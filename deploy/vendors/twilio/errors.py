"""Twilio's REST errors: number → HTTP status and text, as its error dictionary has them."""

from __future__ import annotations

import json

from aiohttp import web

from deploy.vendors.core import retry_after

ERRORS: dict[int, tuple[int, str]] = {
    20001: (400, "Invalid parameter: {value}"),
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource {value} was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    21201: (400, "No 'To' number is specified"),
    21205: (400, "Url parameter is required."),
    21210: (400, "The source phone number provided, {value}, is not yet verified for your account."),
    21211: (400, "The 'To' number {value} is not a valid phone number."),
    21212: (400, "The 'From' number {value} is not a valid phone number, shortcode, or alphanumeric sender ID."),
    21213: (400, "'From' phone number is required."),
    21214: (400, "'To' phone number cannot be reached: {value}"),
    21215: (400, "Account not authorized to call {value}."),
    21216: (400, "Account not allowed to call {value}"),
    21220: (400, "Call is not in-progress. Cannot redirect."),
    21408: (400, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {value}"),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (400, "The 'From' phone number provided ({value}) is not a valid message-capable Twilio phone number."),
    21609: (400, "The 'StatusCallback' URL {value} is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (400, "The source number {value} has exceeded the maximum number of queued messages."),
    21612: (400, "The 'To' phone number: {value}, is not currently reachable using the 'From' phone number."),
    21614: (400, "'To' number is not a valid mobile number: {value}"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit."),
    21659: (400, "'From' {value} is not a Twilio phone number or Short Code country mismatch"),
    21660: (400, "Mismatch between the 'From' number {value} and the account"),
    21661: (400, "'From' number {value} is not SMS-capable"),
    21626: (400, "Invalid 'StatusCallbackEvent' {value}"),
}

MAGIC_TO_MESSAGE = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
MAGIC_TO_CALL = {"+15005550001": 21211, "+15005550002": 21214, "+15005550003": 21215, "+15005550004": 21216}
MAGIC_FROM_MESSAGE = {
    "+15005550001": 21212,
    "+15005550007": 21606,
    "+15005550008": 21611,
    # Not Twilio's: its test credentials answer 21212 and 21606 for what an account is told apart since July 2024.
    "+15005550059": 21659,
    "+15005550060": 21660,
    "+15005550061": 21661,
}
MAGIC_FROM_CALL = {"+15005550001": 21212, "+15005550007": 21210}


class TwilioError(Exception):
    """A request that Twilio refuses, by its error number."""

    def __init__(self, code: int, value: str = "") -> None:
        """`value` is the part of the request that the text quotes."""
        super().__init__(code)
        self.code = code
        self.value = value


def error_response(code: int, value: str = "", retry_after_seconds: float | None = None) -> web.Response:
    """The JSON that Twilio's SDKs turn into TwilioRestException."""
    status, text = ERRORS[code]
    body = {
        "code": code,
        "message": text.format(value=value),
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    headers = retry_after(retry_after_seconds)
    if code == 20003:
        headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return web.Response(text=json.dumps(body), status=status, content_type="application/json", headers=headers)


def outage_response(status: int, retry_after_seconds: float | None) -> web.Response:
    """What Twilio answers under load (429) or when it is broken (500)."""
    return error_response(20429 if status == 429 else 20500, retry_after_seconds=retry_after_seconds)
