"""Configuration: the environment, read once into a frozen object, every problem reported at once.

A service's config.py derives from ServiceSettings and adds what it needs; its field names are the environment's names
in lower case. A setting may also come from a file: NAME_FILE holds the path, the file's text is the value. NAME wins.
"""

import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import available_timezones

from joserfc.errors import JoseError
from pydantic import AfterValidator, FilePath, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.kit.addresses import driver_url, nats_servers
from services.kit.auth import TokenVerifier
from services.kit.certificates import Certificates, ends_of, fits


def _host_and_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 65536):
        raise ValueError("should be HOST:PORT")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("should be the name of a time zone, such as America/New_York")
    return value


def _public_keys(path: Path) -> Path:
    try:
        TokenVerifier.from_file(path)
    except (ValueError, LookupError, TypeError, JoseError) as problem:
        raise ValueError("should be a JWKS of public keys, as `signing keys` makes it") from problem
    except OSError as problem:
        raise ValueError(f"cannot be read ({type(problem).__name__})") from problem
    return path


def _database(url: SecretStr) -> SecretStr:
    driver_url(url.get_secret_value())
    return url


def _nats(addresses: SecretStr) -> SecretStr:
    nats_servers(addresses.get_secret_value())
    return addresses


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
"""postgresql://…, of one server or of several."""
NatsUrl = Annotated[SecretStr, AfterValidator(_nats)]
"""nats://…, or several with commas between them."""
Address = Annotated[str, AfterValidator(_host_and_port)]
"""HOST:PORT; port 0 lets the system choose where the process listens."""


class _SecretFiles(PydanticBaseSettingsSource):
    """Values from the files that NAME_FILE variables point to."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{field_name.upper()}_FILE", "")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except (OSError, UnicodeDecodeError) as problem:
            raise SecretFileError(f"{field_name.upper()}_FILE: cannot be read ({type(problem).__name__})") from problem

    def __call__(self) -> dict[str, Any]:
        problems, values = [], {}
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, key, _ = self.get_field_value(field, name)
            except SecretFileError as problem:
                problems.append(str(problem))
                continue
            if value is not None:
                values[key] = value
        if problems:
            raise SecretFileError("\n".join(problems))
        return values


class SecretFileError(Exception):
    """A NAME_FILE variable points to a file that cannot be read; the text names each, one a line."""


class Settings(BaseSettings):
    """What every process reads. Frozen; an empty variable counts as absent."""

    model_config = SettingsConfigDict(
        frozen=True, env_ignore_empty=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least level that is written."""
    metrics_listen: Address | Literal[""] = ""
    """HOST:PORT of /metrics, /healthz and /readyz; empty switches them off."""
    otel_exporter_otlp_endpoint: str = ""
    """Base address of an OTLP/HTTP collector; empty switches traces off."""
    district_time_zone: Annotated[str, AfterValidator(_zone)] = "America/New_York"
    """The district's zone, in which filters and pages show times."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments (tests), then the environment, then the files named by NAME_FILE. No .env file is read."""
        return init_settings, env_settings, _SecretFiles(settings_cls)


class ServiceSettings(Settings):
    """What a process with a database, the bus and gRPC reads."""

    listen: Address = "127.0.0.1:0"
    """HOST:PORT of the gRPC server."""
    database_url: DatabaseUrl
    """postgresql://… of the role that reads and writes rows."""
    nats_url: NatsUrl
    """nats://…, of a cluster each server's with commas between them: whichever answers will do."""
    nats_replicas: Literal[1, 3, 5] = 1
    """Copies of each stream; 3 where NATS is a cluster. Streams that have more keep them."""
    auth_keys_file: Annotated[FilePath, AfterValidator(_public_keys)]
    """JWKS of the public keys that sign tokens; `kid` starts with `gateway` (viewers) or `operator` (services)."""
    service_token: SecretStr = SecretStr("")
    """What this service shows when it calls another; it ends after the days that it was made for (`--days`). Needed
    by the queue, notify and the gateway; the others call nobody."""
    tls_certificate: Certificates = ""
    """PEM of the gRPC server's certificate and those above it, usually by TLS_CERTIFICATE_FILE; empty: no TLS."""
    tls_key: SecretStr = SecretStr("")
    """PEM of the certificate's private key, usually by TLS_KEY_FILE."""
    tls_authority: Certificates = ""
    """PEM of the certificates that the other services' must descend from, usually by TLS_AUTHORITY_FILE; empty: they
    are called without TLS."""

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        key = self.tls_key.get_secret_value()
        if bool(self.tls_certificate) != bool(key):
            raise ValueError("TLS_CERTIFICATE and TLS_KEY: both or neither are set")
        if key and not fits(self.tls_certificate, key):
            raise ValueError("TLS_KEY: should be the first certificate's private key in PEM, without a password")
        return self


class MigrateSettings(Settings):
    """What `migrate` reads."""

    migrate_database_url: DatabaseUrl
    """postgresql://… of the role that owns the tables."""


SettingsT = TypeVar("SettingsT", bound=Settings)


def problems_of(settings_class: type[Settings]) -> list[str]:
    """Return one line per wrong or missing variable, never with its value; empty when the environment is right."""
    try:
        settings_class()
    except SecretFileError as problem:
        return str(problem).splitlines()
    except ValidationError as problem:
        return [f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in problem.errors()]
    return []


def load(settings_class: type[SettingsT]) -> SettingsT:
    """Read the environment; print every problem and exit with 2 if there is any."""
    problems = problems_of(settings_class)
    if problems:
        print("\n".join(problems), file=sys.stderr)
        raise SystemExit(2)
    return settings_class()


def check_config(*settings_classes: type[Settings]) -> int:
    """Print every problem of the environment for these settings, and return the exit code: 0 right, 2 wrong."""
    problems = sorted({line for each in settings_classes for line in problems_of(each) or _ended(each())})
    print("\n".join(problems) if problems else "configuration ok")
    return 2 if problems else 0


def _ended(settings: Settings) -> list[str]:
    """Name what has ended. No start is refused for it: who calls nobody, and is called by nobody, can go on."""
    ends = ends_of(getattr(settings, "tls_certificate", ""), getattr(settings, "tls_authority", ""))
    return [f"{name}: has ended" for name, at in ends.items() if at <= time.time()]
