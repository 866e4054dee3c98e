"""What the gateway reads from the environment."""

from typing import Annotated, Literal

from joserfc.errors import JoseError
from pydantic import AfterValidator, Field, SecretStr

from services.kit.auth import load_signing_key
from services.kit.certificates import Certificates
from services.kit.config import Address, DatabaseUrl, Settings


def _base_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("should start with http:// or https://")
    return value.rstrip("/")


def _gateway_key(value: SecretStr) -> SecretStr:
    try:
        key = load_signing_key(value.get_secret_value())
        is_right = key.is_private and str(key.kid).startswith("gateway")
    except (ValueError, LookupError, TypeError, JoseError):
        is_right = False
    if not is_right:
        raise ValueError("should be a private Ed25519 JWK, its kid beginning with gateway, as `signing keys` makes it")
    return value


class GatewaySettings(Settings):
    """The settings of `python -m services.gateway wsgi`."""

    listen: Address = "127.0.0.1:8080"
    """HOST:PORT of the web server."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that answer. Each listens for METRICS_LISTEN on a port of its own, one of so many from there on."""
    threads: Annotated[int, Field(ge=16, le=1024)] = 128
    """Threads of each process; an open browser holds one for its alerts, so many more than cores."""
    live_streams: Annotated[int, Field(ge=0, le=960)] = 96
    """Most browsers that one process keeps a live stream for; the others ask again every few seconds."""
    public_url: Annotated[str, AfterValidator(_base_address)] = "http://127.0.0.1:8080"
    """Address under which browsers and providers reach the gateway; provider signatures cover it."""
    trusted_proxies: Annotated[int, Field(ge=0, le=5)] = 0
    """Proxies in front that set X-Forwarded-For; 0 believes no such header."""
    database_url: DatabaseUrl
    """postgresql://… of the role that reads and writes rows."""
    session_secret: Annotated[SecretStr, Field(min_length=32)]
    """Signs the form tokens; the same in every process."""
    gateway_key: Annotated[SecretStr, AfterValidator(_gateway_key)]
    """Private Ed25519 JWK, its kid beginning with `gateway`, that signs viewer tokens; usually by GATEWAY_KEY_FILE."""
    service_token: SecretStr
    """The gateway's own token, which ends after its days, with the scopes directory.read, moderation.read,
    moderation.opinions, queue.answers, queue.receipts, queue.recordings, queue.texts and notify.watch."""
    district_name: str = "The district"
    """Name that families see when a message goes out as the district."""
    directory_address: Address
    """HOST:PORT of directory."""
    queue_address: Address
    """HOST:PORT of queue."""
    moderation_address: Address
    """HOST:PORT of moderation."""
    reports_address: Address
    """HOST:PORT of reports."""
    notify_address: Address
    """HOST:PORT of notify."""
    tls_authority: Certificates = ""
    """PEM of the certificates that the services' must descend from, usually by TLS_AUTHORITY_FILE; empty: they are
    called without TLS."""
    twilio_auth_token: SecretStr = SecretStr("")
    """Checks Twilio's signatures; empty refuses every Twilio webhook."""
    modapi_webhook_secret: SecretStr = SecretStr("")
    """Checks ModerationAPI's signatures; empty refuses every webhook of it."""
    sns_cert_hosts: str = "sns.us-east-1.amazonaws.com"
    """Hosts, separated by commas, from which the certificate of an SNS signature may be fetched."""
    sns_topic_arns: str = ""
    """Topics, separated by commas, whose notifications are taken; empty refuses every notification of SNS: Amazon signs
    those of anybody's topic."""

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the gateway over TLS."""
        return self.public_url.startswith("https://")


class AccountsSettings(Settings):
    """The settings of `python -m services.gateway add-accounts`."""

    database_url: DatabaseUrl
    """postgresql://… of the role that reads and writes rows."""
    directory_address: Address | Literal[""] = ""
    """HOST:PORT of directory, where lines name people by sourced_id."""
    service_token: SecretStr = SecretStr("")
    """A token with the scope directory.read, likewise; the gateway's own has it."""
    tls_authority: Certificates = ""
    """PEM of the certificates that directory's must descend from, usually by TLS_AUTHORITY_FILE; empty: no TLS."""
