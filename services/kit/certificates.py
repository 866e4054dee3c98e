"""Certificates of TLS: whether they can be used, and for how long. They end by themselves, and with them all calls."""

import time
from collections.abc import Mapping
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from opentelemetry.metrics import Observation
from pydantic import AfterValidator

from services.kit.daily import DAY_SECONDS, every_day
from services.kit.logs import get_logger
from services.kit.telemetry import meter

_log = get_logger(__name__)
_WARNING_DAYS = 14


def _certificates(pem: str) -> str:
    try:
        _parsed(pem)
    except ValueError as problem:
        raise ValueError("should be certificates in PEM") from problem
    return pem


def fits(pem: str, key: str) -> bool:
    """Tell whether the key is the first certificate's."""
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return private.public_key() == _parsed(pem)[0].public_key()


Certificates = Annotated[str, AfterValidator(lambda pem: _certificates(pem) if pem else pem)]
"""Certificates in PEM, or nothing."""


def ends_of(certificate: str, authority: str) -> dict[str, float]:
    """Return until when what is set is good, by the setting's name, in seconds of the epoch.

    A chain ends with the first of it, authorities with the last: the old one stays beside the new for a while.
    """
    given = {"TLS_CERTIFICATE": (certificate, min), "TLS_AUTHORITY": (authority, max)}
    return {name: of(map(_end, _parsed(pem))) for name, (pem, of) in given.items() if pem}


def watch_certificates(certificate: str, authority: str) -> None:
    """Say now and once a day what has ended or ends within 14 days, and measure how long it is good for."""
    ends = ends_of(certificate, authority)
    if not ends:
        return
    meter(__name__).create_observable_gauge(
        "lantern.certificate.left",
        [lambda _: [Observation(at - time.time(), {"setting": name}) for name, at in ends.items()]],
        "s",
        "How long this process's certificate, and the authority by which it knows the others', are good for.",
    )
    every_day(lambda: _say(ends, time.time()))


def _say(ends: Mapping[str, float], now: float) -> None:
    for name, at in ends.items():
        days = int((at - now) // DAY_SECONDS)
        if at <= now:
            _log.error("certificate_ended", setting=name)
        elif days < _WARNING_DAYS:
            _log.warning("certificate_ends", setting=name, days_left=days)


def _end(certificate: x509.Certificate) -> float:
    return certificate.not_valid_after_utc.timestamp()


def _parsed(pem: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode())
