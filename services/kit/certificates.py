"""Certificates of TLS: whether they can be used."""

from typing import Annotated

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from pydantic import AfterValidator


def _certificates(pem: str) -> str:
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as problem:
        raise ValueError("should be certificates in PEM") from problem
    return pem


def fits(pem: str, key: str) -> bool:
    """Tell whether the key is the first certificate's."""
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return private.public_key() == x509.load_pem_x509_certificates(pem.encode())[0].public_key()


Certificates = Annotated[str, AfterValidator(lambda pem: _certificates(pem) if pem else pem)]
"""Certificates in PEM, or nothing."""
