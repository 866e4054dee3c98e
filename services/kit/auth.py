"""Who is calling: Ed25519 tokens, and the caller of the present request.

Two keys sign. The gateway's (`kid` begins with `gateway`) signs viewer tokens, which live a minute and carry what a
person may see; the operator's (`operator…`) signs service tokens with their scopes. A key signs its own kind only, so
the gateway cannot make itself a service, and a service token never acts for a person.
"""

import json
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from services.kit.errors import PermissionDenied, Unauthenticated
from services.kit.logs import get_logger

_log = get_logger(__name__)
ALGORITHM = "Ed25519"
VIEWER_SECONDS = 60
"""The longest life of a viewer token."""
_SIGNERS = {"gateway": "viewer", "operator": "service"}
_LEEWAY_SECONDS = 30
"""How far the clocks of whoever signs and whoever checks may differ."""
_SILENT_SECONDS = 60.0
_CACHE_LIMIT = 10_000


@dataclass(frozen=True)
class Viewer:
    """A signed-in person and what they may see, as directory said when the gateway asked."""

    person_id: str
    name: str
    role: str
    """admin, teacher, student or parent."""
    permissions: frozenset[str]
    schools: frozenset[str]
    """School ids, or the single "*" for the whole district."""
    all_users: bool
    """Whether messages of other senders are visible."""

    @property
    def is_district_wide(self) -> bool:
        """Whether every school is in the viewer's scope."""
        return "*" in self.schools

    def sees_school(self, school_id: str) -> bool:
        """Tell whether the school is in the viewer's scope."""
        return self.is_district_wide or school_id in self.schools


@dataclass(frozen=True)
class Caller:
    """Who made the present call."""

    subject: str
    """The person's id, or the service's name."""
    scopes: frozenset[str]
    viewer: Viewer | None = None
    """The person, when the call is made for one."""

    @property
    def name(self) -> str:
        """The person's name, or the service's."""
        return self.viewer.name if self.viewer else self.subject


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller:
    """Return who made the present call; Unauthenticated outside of one."""
    caller = _caller.get()
    if caller is None:
        raise Unauthenticated("NO_CALLER", "The call carries no token.")
    return caller


def require_viewer() -> Viewer:
    """Return the person for whom the call is made; PermissionDenied if a service calls for itself."""
    viewer = current_caller().viewer
    if viewer is None:
        raise PermissionDenied("VIEWER_REQUIRED", "This is answered only for a signed-in person.")
    return viewer


def set_caller(caller: Caller) -> None:
    """Make this the caller of the running task; the server does it for each call, tests may."""
    _caller.set(caller)


def sign_token(key: OKPKey, claims: Mapping[str, Any], lifetime_seconds: float) -> str:
    """Return a token with the claims that expires in lifetime_seconds. The key is private and has a kid."""
    now = int(time.time())
    header = {"alg": ALGORITHM, "kid": key.kid}
    body = {**claims, "iat": now, "exp": now + int(lifetime_seconds)}
    return jwt.encode(header, body, key, algorithms=[ALGORITHM])


def sign_viewer(key: OKPKey, viewer: Viewer, scopes: frozenset[str], lifetime_seconds: float = VIEWER_SECONDS) -> str:
    """Return a viewer token. lifetime_seconds is at most VIEWER_SECONDS: verifiers refuse a longer one."""
    claims = {
        "sub": viewer.person_id,
        "kind": "viewer",
        "name": viewer.name,
        "role": viewer.role,
        "permissions": sorted(viewer.permissions),
        "schools": sorted(viewer.schools),
        "all_users": viewer.all_users,
        "scopes": sorted(scopes),
    }
    return sign_token(key, claims, lifetime_seconds)


def sign_service(key: OKPKey, name: str, scopes: frozenset[str], lifetime_seconds: float) -> str:
    """Return a service token for the named service with these scopes."""
    return sign_token(key, {"sub": name, "kind": "service", "scopes": sorted(scopes)}, lifetime_seconds)


def load_signing_key(text: str) -> OKPKey:
    """Read a private Ed25519 key, with its kid, from JWK JSON. ValueError or JoseError when it is none."""
    return OKPKey.import_key(json.loads(text))


class TokenVerifier:
    """Checks tokens against a key set; remembers those that held until they expire."""

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        """Take a JWKS with one or more public keys. ValueError or JoseError when it is none."""
        self._keys = KeySet.import_key_set({"keys": list(jwks["keys"])})
        ids = [key.kid for key in self._keys]
        # A token names its key by the id: of two the second would never be asked.
        if twice := [each for each in ids if ids.count(each) > 1]:
            raise ValueError(f"The set has two keys of the id {twice[0]}.")
        self._known: dict[str, tuple[float, Caller]] = {}
        self._silent_until = 0.0

    @classmethod
    def from_file(cls, path: Path) -> "TokenVerifier":
        """Read the key set from a JWKS file."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def verify(self, token: str) -> Caller:
        """Return who the token speaks for; Unauthenticated when it is forged, expired or of the wrong kind."""
        known = self._known.get(token)
        if known and known[0] > time.time():
            return known[1]
        header, claims = self._decode(token)
        caller = _caller_of(header, claims)
        if len(self._known) >= _CACHE_LIMIT:
            self._known.clear()
        self._known[token] = (float(claims["exp"]), caller)
        return caller

    def _decode(self, token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        registry = jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_SECONDS, exp={"essential": True}, iat={"essential": True}, sub={"essential": True}
        )
        signed: dict[str, Any] = {}
        try:
            decoded = jwt.decode(token, self._keys, algorithms=[ALGORITHM])
            signed = decoded.claims
            registry.validate(signed)
        except (JoseError, ValueError) as problem:
            self._tell_of_time(signed)
            raise Unauthenticated("TOKEN_INVALID", "The token is not valid, or no longer.") from problem
        return decoded.header, signed

    def _tell_of_time(self, claims: Mapping[str, Any]) -> None:
        """Log, once a minute, how long ago a token was signed that our keys did sign; below 0: it has yet to be."""
        signed_at, now = claims.get("iat"), time.monotonic()
        if isinstance(signed_at, int) and now >= self._silent_until:
            self._silent_until = now + _SILENT_SECONDS
            _log.warning("token_not_of_this_time", kind=claims.get("kind"), age_seconds=round(time.time() - signed_at))


def _caller_of(header: Mapping[str, Any], claims: Mapping[str, Any]) -> Caller:
    kind = claims.get("kind")
    if kind is None or _SIGNERS.get(str(header.get("kid", "")).split("-")[0]) != kind:
        raise Unauthenticated("TOKEN_INVALID", "The token is not signed by the key of its kind.")
    scopes = frozenset(claims.get("scopes", ()))
    if kind == "service":
        return Caller(subject=claims["sub"], scopes=scopes)
    if claims["exp"] - claims["iat"] > VIEWER_SECONDS:
        raise Unauthenticated("TOKEN_INVALID", "A viewer token lives a minute at most.")
    viewer = Viewer(
        person_id=claims["sub"],
        name=claims.get("name", ""),
        role=claims.get("role", ""),
        permissions=frozenset(claims.get("permissions", ())),
        schools=frozenset(claims.get("schools", ())),
        all_users=claims.get("all_users") is True,
    )
    return Caller(subject=viewer.person_id, scopes=scopes, viewer=viewer)
