"""Settings of the vendor simulator: read once from flags and the environment into a frozen object."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ACCOUNT_ID = "123456789012"
"""The AWS account number that appears in every ARN; AWS uses it in its own documentation."""


@dataclass(frozen=True)
class Settings:
    """Everything that the simulator can be told. Times are seconds; an empty address means "do not call".

    The secrets open nothing but this simulator.
    """

    host: str = "127.0.0.1"
    port: int = 8900
    seed: int = 1
    twilio_account_sid: str = "AC" + "0" * 31 + "1"
    twilio_auth_token: str = "local-twilio-token"  # noqa: S105
    twilio_from_number: str = "+12125550100"
    twilio_inbound_url: str = ""
    aws_region: str = "us-east-1"
    aws_access_key_id: str = "AKIALOCALLANTERN0001"
    aws_secret_access_key: str = "local-aws-secret"  # noqa: S105
    ses_events_url: str = ""
    text_events_url: str = ""
    ses_configuration_set: str = "lantern"
    ses_verified_domain: str = ""
    sns_signature_version: str = "1"
    modapi_secret_key: str = "local-modapi-key"  # noqa: S105
    modapi_webhook_secret: str = "local-modapi-webhook-secret"  # noqa: S105
    modapi_webhook_url: str = ""
    receipt_seconds: float = 0.2
    slow_seconds: float = 10.0
    retry_scale: float = 1.0
    sns_retries: int = 3
    max_arrivals: int = 500_000


_ENVIRONMENT = {
    "twilio_account_sid": "TWILIO_ACCOUNT_SID",
    "twilio_auth_token": "TWILIO_AUTH_TOKEN",
    "twilio_from_number": "TWILIO_FROM_NUMBER",
    "twilio_inbound_url": "VENDORS_TWILIO_INBOUND_URL",
    "aws_region": "AWS_REGION",
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "ses_events_url": "VENDORS_SES_EVENTS_URL",
    "text_events_url": "VENDORS_TEXT_EVENTS_URL",
    "ses_configuration_set": "SES_CONFIGURATION_SET",
    "modapi_secret_key": "MODAPI_SECRET_KEY",
    "modapi_webhook_secret": "MODAPI_WEBHOOK_SECRET",
    "modapi_webhook_url": "VENDORS_MODAPI_WEBHOOK_URL",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.vendors",
        description="Twilio, Amazon SES, SNS and Translate, and ModerationAPI, simulated.",
    )
    parser.add_argument("--listen", default="127.0.0.1:8900", help="HOST:PORT; port 0 takes a free one and prints it")
    parser.add_argument("--seed", type=int, default=1, help="seed of the outage modes that act with a probability")
    parser.add_argument("--ses-events-url", help="where SES delivery events go (the gateway's /webhooks/ses)")
    parser.add_argument(
        "--text-events-url", help="where events of texts and calls by AWS go (the gateway's /webhooks/aws-texts)"
    )
    parser.add_argument("--twilio-inbound-url", help="where a family's replies go (/webhooks/twilio/inbound)")
    parser.add_argument("--modapi-webhook-url", help="where ModerationAPI's webhooks go")
    parser.add_argument("--sns-signature-version", choices=("1", "2"), default="1")
    parser.add_argument("--receipt-seconds", type=float, default=0.2, help="from acceptance to the last receipt")
    parser.add_argument("--slow-seconds", type=float, default=10.0, help="the same for destinations that are slow")
    parser.add_argument("--retry-scale", type=float, help="factor on the pauses between webhook attempts")
    parser.add_argument("--max-arrivals", type=int, default=500_000, help="older arrivals are dropped beyond this")
    return parser


def load_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read flags and environment; flags win. Exits with a usage message when --listen is not HOST:PORT."""
    parser = _parser()
    flags = vars(parser.parse_args(arguments))
    host, _, port = flags.pop("listen").rpartition(":")
    if not host or not port.isdecimal():
        parser.error("--listen must be HOST:PORT")
    values: dict[str, Any] = {
        name: environment[variable] for name, variable in _ENVIRONMENT.items() if environment.get(variable)
    }
    values |= {name: value for name, value in flags.items() if value is not None}
    if retries := environment.get("VENDORS_SNS_RETRIES"):
        values["sns_retries"] = int(retries)
    if scale := environment.get("VENDORS_RETRY_SCALE"):
        values.setdefault("retry_scale", float(scale))
    if sender := environment.get("SES_FROM_ADDRESS"):
        values["ses_verified_domain"] = sender.rpartition("@")[2].strip("> ").lower()
    return Settings(host=host, port=int(port), **values)
