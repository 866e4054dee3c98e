"""Twilio's webhooks: form posts with X-Twilio-Signature, connection overrides in the fragment of the address."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, quote_plus

from deploy.vendors.callbacks import RetryPolicy, Webhook
from deploy.vendors.core import new_hex


def sign(token: str, url: str, form: Mapping[str, str]) -> str:
    """The signature of a form post: HMAC-SHA1 over the address, query included, and the sorted fields."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def retry_policy(fragment: str) -> RetryPolicy:
    """The policy that `#rc=…&rp=…&ct=…&rt=…` asks for; Twilio's default is one more try after a failed connection.

    rc is the number of retries (0 to 5), rp a list of 4xx, 5xx, ct (connect), rt (read) or all; rt the time-out in ms.
    """
    wanted = {name: values[-1] for name, values in parse_qs(fragment).items()}
    retries = min(5, int(wanted["rc"])) if wanted.get("rc", "").isdecimal() else 1
    reasons = set(wanted.get("rp", "ct").split(","))
    timeout = int(wanted["rt"]) / 1000 if wanted.get("rt", "").isdecimal() else 15.0
    every = "all" in reasons

    def again(status: int) -> bool:
        return (400 <= status < 500 and (every or "4xx" in reasons)) or (status >= 500 and (every or "5xx" in reasons))

    return RetryPolicy(timeout, (0.0,) * retries, again, every or "ct" in reasons, every or "rt" in reasons)


def twilio_webhook(
    token: str, url: str, form: Mapping[str, str], kind: str, expect: Callable[[int, str], None] | None = None
) -> Webhook:
    """A signed form post to `url`; what stands after # is for Twilio only, neither sent nor signed."""
    address, _, fragment = url.partition("#")
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in form.items())
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        "X-Twilio-Signature": sign(token, address, form),
        "I-Twilio-Idempotency-Token": new_hex(),
        "User-Agent": "TwilioProxy/1.1",
        "Accept": "*/*",
    }
    return Webhook(address, body.encode(), headers, retry_policy(fragment), kind, expect=expect)
