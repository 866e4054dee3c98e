"""Signatures of Amazon SNS: who signed an envelope, by a certificate from a host that the district allows."""

import base64
import re
import threading
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from services.kit.errors import PermissionDenied, Unavailable

_FETCH_SECONDS = 5.0
_LARGEST_CERTIFICATE = 20_000
_MOST_KEYS = 10
_PATH = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303  version 1 is SHA-1 by SNS's definition
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would lead to a host that nobody allowed."""

    def redirect_request(self, *_args: object) -> None:
        return None


_opener = build_opener(_NoRedirects)


def refuse(text: str) -> PermissionDenied:
    """Return the error for a request that a provider did not sign."""
    return PermissionDenied("SIGNATURE_INVALID", text)


class Certificates:
    """Certificates by their address, fetched once; one at a time, for which nobody waits.

    Anybody may send an envelope that names a certificate, so that threads are not to wait for what that takes: who
    comes while another certificate is fetched is told to come again, as SNS does.
    """

    def __init__(self, hosts: frozenset[str]) -> None:
        """Take the hosts that are allowed; one with a port (a local simulator) may also be asked over plain HTTP."""
        self._hosts = frozenset(host.strip().lower() for host in hosts if host.strip())
        self._keys: dict[str, rsa.RSAPublicKey] = {}
        self._fetching = threading.Lock()

    def check_host(self, address: str) -> SplitResult:
        """Return the parts of an address; PermissionDenied unless it is of an allowed host."""
        try:
            parts = urlsplit(address)
        except ValueError as problem:
            raise refuse("The address cannot be read.") from problem
        is_local = parts.scheme == "http" and ":" in parts.netloc
        if parts.netloc.lower() not in self._hosts or not (parts.scheme == "https" or is_local):
            raise refuse("The address is not of an allowed host.")
        return parts

    def key(self, address: str) -> rsa.RSAPublicKey:
        """Return the certificate's public key.

        PermissionDenied for other addresses than SNS's, Unavailable if it cannot be had, or another is being fetched.
        """
        parts = self.check_host(address)
        if parts.query or parts.fragment or not _PATH.fullmatch(parts.path):
            raise refuse("The certificate's address is not one of SNS.")
        # However it is written, so that one certificate is kept once.
        plain = f"{parts.scheme}://{parts.netloc.lower()}{parts.path}"
        return self._keys.get(plain) or self._fetch(plain)

    def _fetch(self, address: str) -> rsa.RSAPublicKey:
        if not self._fetching.acquire(blocking=False):
            raise Unavailable("SNS_UNREACHABLE", "Another certificate is being fetched.", retry_after_seconds=5)
        try:
            key = _read_key(fetch(address))
            if len(self._keys) == _MOST_KEYS:
                del self._keys[next(iter(self._keys))]
            self._keys[address] = key
        finally:
            self._fetching.release()
        return key

    def verify(self, envelope: Mapping[str, str]) -> None:
        """Raise PermissionDenied unless the envelope is signed by SNS."""
        names, algorithm = _SIGNED.get(envelope.get("Type", "")), _HASHES.get(envelope.get("SignatureVersion", ""))
        if names is None or algorithm is None:
            raise refuse("The envelope is of no known type or version.")
        key = self.key(envelope.get("SigningCertURL", ""))
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        try:
            signature = base64.b64decode(envelope.get("Signature", ""), validate=True)
            key.verify(signature, text.encode(), padding.PKCS1v15(), algorithm)
        except (InvalidSignature, ValueError) as problem:
            raise refuse("The signature does not fit.") from problem


def fetch(address: str) -> bytes:
    """Return what is at an address of an allowed host. Unavailable when it does not answer."""
    try:
        with _opener.open(address, timeout=_FETCH_SECONDS) as answer:
            content: bytes = answer.read(_LARGEST_CERTIFICATE)
            return content
    except OSError as problem:
        raise Unavailable("SNS_UNREACHABLE", "SNS does not answer.", retry_after_seconds=5) from problem


def _read_key(content: bytes) -> rsa.RSAPublicKey:
    try:
        key = x509.load_pem_x509_certificate(content).public_key()
    except ValueError as problem:
        raise refuse("The certificate cannot be read.") from problem
    if not isinstance(key, rsa.RSAPublicKey):
        raise refuse("The certificate's key is not RSA.")
    return key
