"""Tokens for tests, signed by keys of their own."""

import json
from dataclasses import dataclass
from pathlib import Path

from joserfc.jwk import OKPKey

from services.kit.auth import TokenVerifier, Viewer, sign_service, sign_viewer


@dataclass(frozen=True)
class Tokens:
    """Both signing keys, and the public set as a file."""

    gateway: OKPKey
    operator: OKPKey
    keys_file: Path

    @classmethod
    def make(cls, folder: Path) -> "Tokens":
        """Make fresh keys and write the public ones into the folder."""
        keys = [
            OKPKey.generate_key("Ed25519", parameters={"kid": f"{signer}-test"}) for signer in ("gateway", "operator")
        ]
        path = folder / "keys.json"
        path.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}), encoding="utf-8")
        return cls(keys[0], keys[1], path)

    def verifier(self) -> TokenVerifier:
        """Return what a server checks tokens with."""
        return TokenVerifier.from_file(self.keys_file)

    def service(self, *scopes: str, name: str = "test") -> str:
        """Return a service token with these scopes."""
        return sign_service(self.operator, name, frozenset(scopes), 3600)

    def viewer(self, viewer: Viewer, *scopes: str) -> str:
        """Return a viewer token with these scopes."""
        return sign_viewer(self.gateway, viewer, frozenset(scopes))
