"""Verifies SNS messages the way a receiver of the real service does, with the certificate that they name."""

import base64
from typing import Any
from urllib.request import urlopen

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import load_pem_x509_certificate

from tests.support.vendors import Received, Receiver

_NOTIFICATION = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
_CONFIRMATION = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]


def verify(message: dict[str, Any]) -> None:
    """Raise cryptography.exceptions.InvalidSignature unless the signature is right."""
    with urlopen(message["SigningCertURL"], timeout=5) as response:  # noqa: S310 - the test's own simulator
        key = load_pem_x509_certificate(response.read()).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    names = _NOTIFICATION if message["Type"] == "Notification" else _CONFIRMATION
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    digest = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()  # noqa: S303 - version 1 is SHA-1
    key.verify(base64.b64decode(message["Signature"]), text.encode(), padding.PKCS1v15(), digest)


def is_notification(received: Received) -> bool:
    """True for a notification, false for a request to confirm."""
    return received.headers["x-amz-sns-message-type"] == "Notification"


def confirm(receiver: Receiver) -> dict[str, Any]:
    """Wait for the request to confirm a subscription, check it and follow its address."""
    request = receiver.wait_for(1, lambda received: not is_notification(received))[-1]
    message = request.json
    assert message["Type"] == "SubscriptionConfirmation"
    verify(message)
    with urlopen(message["SubscribeURL"], timeout=5) as response:  # noqa: S310 - the test's own simulator
        assert b"ConfirmSubscriptionResponse" in response.read()
    return message
