"""Signs SNS messages with a key and certificate made at start, the way Amazon SNS signs its own."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from deploy.vendors.aws import new_id

_SIGNED_OF_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_OF_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def string_to_sign(message: dict[str, str]) -> bytes:
    """Name and value, each on its own line, of the fields that SNS signs, in its order; absent ones are left out."""
    names = _SIGNED_OF_NOTIFICATION if message["Type"] == "Notification" else _SIGNED_OF_CONFIRMATION
    return "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()


class Signer:
    """An RSA key of 2,048 bits with a self-signed certificate for sns.amazonaws.com."""

    def __init__(self) -> None:
        """Make the key; takes some tens of milliseconds."""
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .sign(self._key, hashes.SHA256())
        )
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()[:32]
        self.certificate_path = f"/SimpleNotificationService-{fingerprint}.pem"

    def sign(self, message: dict[str, str]) -> str:
        """The signature in base64: SHA-1 for SignatureVersion 1, SHA-256 for 2, both PKCS #1 v1.5."""
        digest = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()  # noqa: S303
        return base64.b64encode(self._key.sign(string_to_sign(message), padding.PKCS1v15(), digest)).decode()

    def envelope(
        self, kind: str, topic_arn: str, message: str, version: str, base_url: str, **more: str
    ) -> tuple[str, bytes]:
        """The id and the whole of a signed SNS message.

        `more` are Subject and UnsubscribeURL of a notification, or Token and SubscribeURL of a confirmation.
        """
        now = datetime.now(UTC)
        fields = {
            "Type": kind,
            "MessageId": new_id(),
            "TopicArn": topic_arn,
            "Message": message,
            "Timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
            "SignatureVersion": version,
        }
        signed_later = {name: more.pop(name) for name in ("UnsubscribeURL",) if name in more}
        fields |= more
        fields["Signature"] = self.sign(fields)
        fields["SigningCertURL"] = base_url + self.certificate_path
        return fields["MessageId"], json.dumps(fields | signed_later, indent=2).encode()
