"""Checks AWS Signature Version 4 on a request, in full: key, scope, time, every signed header and the body."""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import web

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, ?"
    r"SignedHeaders=(?P<headers>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_MAXIMUM_SKEW_SECONDS = 15 * 60


class SignatureProblem(Exception):
    """The request is not signed as AWS wants it; `code` is AWS's short name for why."""

    def __init__(self, code: str, message: str) -> None:
        """Keep AWS's code beside the sentence."""
        super().__init__(message)
        self.code = code


def check_signature(request: web.Request, body: bytes, access_key: str, secret: str, service: str) -> None:
    """Raise SignatureProblem unless the request is signed with this key for this service within 15 minutes.

    Codes: MissingAuthenticationToken, IncompleteSignature, UnrecognizedClient, RequestExpired, InvalidSignature.
    """
    header = request.headers.get("Authorization")
    if not header:
        raise SignatureProblem("MissingAuthenticationToken", "Missing Authentication Token")
    parts = _AUTHORIZATION.fullmatch(header)
    stamp = request.headers.get("X-Amz-Date", "")
    if parts is None or "host" not in parts["headers"].split(";") or not stamp.startswith(parts["date"]):
        raise SignatureProblem("IncompleteSignature", "Authorization header is not well-formed.")
    if parts["key"] != access_key:
        raise SignatureProblem("UnrecognizedClient", "The security token included in the request is invalid.")
    _check_time(stamp)
    if parts["service"] != service or not hmac.compare_digest(
        _expected(request, body, parts, stamp, secret), parts["signature"]
    ):
        raise SignatureProblem(
            "InvalidSignature", "The request signature we calculated does not match the signature you provided."
        )


def _check_time(stamp: str) -> None:
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureProblem("IncompleteSignature", "X-Amz-Date is not a time.") from error
    if abs((datetime.now(UTC) - signed_at).total_seconds()) > _MAXIMUM_SKEW_SECONDS:
        raise SignatureProblem("RequestExpired", "Signature expired.")


def _expected(request: web.Request, body: bytes, parts: re.Match[str], stamp: str, secret: str) -> str:
    scope = f"{parts['date']}/{parts['region']}/{parts['service']}/aws4_request"
    canonical = _canonical_request(request, body, parts["headers"])
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(secret, parts["date"], parts["region"], parts["service"])
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def _canonical_request(request: web.Request, body: bytes, signed: str) -> str:
    path, _, query = request.raw_path.partition("?")
    # Every service but S3 signs the path that is already percent-encoded, encoded once more.
    uri = quote(path, safe="/-_.~")
    pairs = "&".join(sorted(pair if "=" in pair else f"{pair}=" for pair in query.split("&") if pair))
    names = signed.split(";")
    headers = "".join(f"{name}:{' '.join(','.join(request.headers.getall(name, [])).split())}\n" for name in names)
    return "\n".join((request.method, uri, pairs, headers, signed, hashlib.sha256(body).hexdigest()))


@functools.lru_cache(maxsize=64)
def _signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
