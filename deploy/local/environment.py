"""What each process is told by its environment: the same names in every service, values of this checkout."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.keys import Keys
from deploy.local.ports import PortBook
from deploy.local.processes import GRPC, SCOPES, Part

NATS_USER = "lantern"
TOPICS = ("arn:aws:sns:us-east-1:123456789012:ses-events", "arn:aws:sns:us-east-1:123456789012:text-events")
"""Where the simulator tells what became of e-mails and of texts by Amazon."""
_PASSED_ON = ("PATH", "LANG", "TZ", "HOME", "TMPDIR", "LOG_LEVEL", "OTEL_EXPORTER_OTLP_ENDPOINT", "DISTRICT_TIME_ZONE")


@dataclass(frozen=True)
class Environment:
    """Addresses and secrets of one run."""

    root: Path
    keys: Keys
    ports: PortBook
    gateway_port: int | None = None
    """The port that the caller wants the web UI on; None takes the remembered or a free one."""

    @property
    def gateway_url(self) -> str:
        """Where browsers go."""
        return f"http://127.0.0.1:{self.ports.port('gateway', self.gateway_port)}"

    @property
    def vendors_url(self) -> str:
        """Where the vendor simulator answers, and shows what arrived."""
        return f"http://127.0.0.1:{self.ports.port('vendors')}"

    @property
    def nats_url(self) -> str:
        """NATS with its user and password."""
        return f"nats://{NATS_USER}:{self.keys.password('nats')}@127.0.0.1:{self.ports.port('nats')}"

    def grpc(self, service: str) -> str:
        """Return HOST:PORT of a service's gRPC."""
        return f"127.0.0.1:{self.ports.port(service)}"

    def metrics(self, instance: str) -> str:
        """Return HOST:PORT of a process's /metrics and /readyz."""
        return f"127.0.0.1:{self.ports.port(f'{instance} metrics')}"

    def database_url(self, service: str, *, as_owner: bool = False) -> str:
        """Return the address of a service's database, for one of its two roles."""
        role = f"{service}_owner" if as_owner else service
        return f"postgresql://{role}:{self.keys.password(role)}@127.0.0.1:{self.ports.port('postgres')}/{service}"

    def of(self, part: Part, instance: str) -> dict[str, str]:
        """Return the whole environment of one process."""
        own = self._gateway() if part.service == "gateway" else {}
        if part.service == "notify":
            own = {"PORTAL_URL": self.gateway_url}
        if part.service == "vendors":
            return {**self._base(), **self._vendors(), **self._vendor_hooks()}
        listen = {"LISTEN": self.grpc(part.service)} if part.process in ("serve", "wsgi") else {}
        return {
            **self._base(),
            **self._vendors(),
            **self.addresses(),
            **listen,
            "METRICS_LISTEN": self.metrics(instance),
            "DATABASE_URL": self.database_url(part.service),
            "NATS_URL": self.nats_url,
            "AUTH_KEYS_FILE": str(self.keys.public),
            "SERVICE_TOKEN": self.keys.service_token(part.service, SCOPES[part.service]),
            **own,
        }

    def of_seeding(self, operator_token: str) -> dict[str, str]:
        """Return the environment of the sample district's loader: an operator's, with the gateway's accounts."""
        return {
            **self._base(),
            **self._vendors(),
            **self.addresses(),
            "NATS_URL": self.nats_url,
            "AUTH_KEYS_FILE": str(self.keys.public),
            "GATEWAY_KEY_FILE": str(self.keys.gateway),
            "SERVICE_TOKEN": operator_token,
            "DATABASE_URL": self.database_url("gateway"),
            "GATEWAY_URL": self.gateway_url,
            "VENDORS_URL": self.vendors_url,
        }

    def addresses(self) -> dict[str, str]:
        """Return the gRPC addresses of all services, by their settings' names."""
        return {f"{service.upper()}_ADDRESS": self.grpc(service) for service in GRPC}

    def _base(self) -> dict[str, str]:
        given = {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}
        return {"PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8", **given, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": ""}

    def _gateway(self) -> dict[str, str]:
        return {
            "LISTEN": self.gateway_url.removeprefix("http://"),
            "PUBLIC_URL": self.gateway_url,
            "SESSION_SECRET": self.keys.password("session"),
            "GATEWAY_KEY_FILE": str(self.keys.gateway),
            "DISTRICT_NAME": "Lincoln County Public Schools",
            "SNS_CERT_HOSTS": self.vendors_url.removeprefix("http://"),
            "SNS_TOPIC_ARNS": ",".join(TOPICS),
        }

    def _vendors(self) -> dict[str, str]:
        """Return the settings of the providers: the simulator's address, and credentials that open nothing else."""
        return {
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 31 + "1",
            "TWILIO_AUTH_TOKEN": self.keys.password("twilio"),
            "TWILIO_BASE_URL": self.vendors_url,
            "TWILIO_FROM_NUMBER": "+12125550100",
            # What Twilio asks for a text within the United States (twilio.com/en-us/sms/pricing/us).
            "SMS_SEGMENT_PRICE": "0.0083",
            # And for a minute of a call there (twilio.com/en-us/voice/pricing/us).
            "CALL_MINUTE_PRICE": "0.014",
            "TWILIO_STATUS_CALLBACK_URL": f"{self.gateway_url}/webhooks/twilio/status",
            "RECORDINGS_URL": f"{self.gateway_url}/webhooks/twilio/recordings",
            "RECORDINGS_FOLDER": str(self.keys.folder.parent / "recordings"),
            "RECORDINGS_SECRET": self.keys.password("recordings"),
            "ANSWERS_URL": f"{self.gateway_url}/answer",
            "ANSWERS_SECRET": self.keys.password("answers"),
            "UNSUBSCRIBE_URL": f"{self.gateway_url}/unsubscribe",
            "UNSUBSCRIBE_SECRET": self.keys.password("unsubscribe"),
            "SMS_STANDBY_ORIGIN": "+18445550123",
            "VOICE_STANDBY_ORIGIN": "+18445550123",
            "SMS_STANDBY_CONFIGURATION_SET": "texts",
            "SMS_STANDBY_ENDPOINT_URL": self.vendors_url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIALOCALLANTERN0001",
            "AWS_SECRET_ACCESS_KEY": self.keys.password("aws"),
            "AWS_ENDPOINT_URL": self.vendors_url,
            "TRANSLATE_REGION": "us-east-1",
            "SENDER_DOMAINS": "lantern.example.org",
            "SES_FROM_ADDRESS": "messages@lantern.example.org",
            "SES_CONFIGURATION_SET": "lantern",
            "SNS_PLATFORM_APPLICATION_ARN": "arn:aws:sns:us-east-1:123456789012:app/GCM/lantern",
            "MODAPI_SECRET_KEY": self.keys.password("modapi"),
            "MODAPI_BASE_URL": f"{self.vendors_url}/v1",
            "MODAPI_WEBHOOK_SECRET": self.keys.password("modapi-webhook"),
        }

    def _vendor_hooks(self) -> dict[str, str]:
        return {
            "VENDORS_TEXT_EVENTS_URL": f"{self.gateway_url}/webhooks/aws-texts",
            "VENDORS_SES_EVENTS_URL": f"{self.gateway_url}/webhooks/ses",
            "VENDORS_TWILIO_INBOUND_URL": f"{self.gateway_url}/webhooks/twilio/inbound",
            "VENDORS_MODAPI_WEBHOOK_URL": f"{self.gateway_url}/webhooks/moderation",
        }
