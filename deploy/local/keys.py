"""Passwords and signing keys of one checkout: made the first time, kept in `.local/secrets`, never shown."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc.jwk import OKPKey

from services.kit.auth import load_signing_key, sign_service
from services.kit.signing import PUBLIC, make_keys

_DAYS = 86_400.0
TOKEN_DAYS = 3650
"""Life of the local service tokens: `make reset` makes new keys."""


@dataclass(frozen=True)
class Keys:
    """Reads and writes one folder."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> "Keys":
        """Make the folder, the signing keys and their public set if they are not there."""
        folder.mkdir(mode=0o700, exist_ok=True)
        keys = cls(folder)
        if not keys.public.exists():
            # What an interrupted start left of them has signed nothing yet.
            for name in ("gateway.jwk", "operator.jwk"):
                (folder / name).unlink(missing_ok=True)
            make_keys(folder)
        return keys

    @property
    def public(self) -> Path:
        """The JWKS of both public keys."""
        return self.folder / PUBLIC

    @property
    def gateway(self) -> Path:
        """The private key that signs viewer tokens."""
        return self.folder / "gateway.jwk"

    def password(self, name: str) -> str:
        """Return the password of that name; made when first asked for."""
        path = self.folder / f"{name}.password"
        if not path.exists():
            self._write(path.name, secrets.token_urlsafe(32))
        return path.read_text(encoding="utf-8")

    def service_token(self, service: str, scopes: frozenset[str]) -> str:
        """Return a service token with these scopes."""
        operator: OKPKey = load_signing_key((self.folder / "operator.jwk").read_text(encoding="utf-8"))
        return sign_service(operator, service, scopes, TOKEN_DAYS * _DAYS)

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")


def write_private(path: Path, content: Any) -> None:
    """Write JSON that only we may read, in one step: a reader sees the old file or the new one."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.rename(path)
