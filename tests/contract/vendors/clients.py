"""The vendors' own SDKs, pointed at another address the way the product points them."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import boto3
from botocore.config import Config
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.support.vendors import ACCOUNT_SID, AUTH_TOKEN, AWS_KEY, AWS_SECRET


class BaseUrlHttpClient(TwilioHttpClient):  # type: ignore[misc]
    """The SDK's own client with another address in front; all else stays as the SDK made it."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=10)
        self._base = urlsplit(base)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        asked = urlsplit(url)
        address = urlunsplit((self._base.scheme, self._base.netloc, asked.path, asked.query, ""))
        return super().request(method, address, *args, **kwargs)


def twilio_client(base: str, token: str = AUTH_TOKEN) -> Client:
    """Twilio's SDK against `base`."""
    return Client(ACCOUNT_SID, token, http_client=BaseUrlHttpClient(base))


def aws_client(service: str, base: str, secret: str = AWS_SECRET, key: str = AWS_KEY) -> Any:
    """boto3's client for a service against `base`, without retries, so that a test sees every answer."""
    return boto3.client(
        service,
        endpoint_url=base,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=3),
    )
