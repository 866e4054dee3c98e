"""Makes the application in a worker process, after fork."""

import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from services.gateway.alerts import AlertHub
from services.gateway.app import create_app
from services.gateway.assets import Assets
from services.gateway.clients import connect
from services.gateway.config import GatewaySettings
from services.gateway.database import create_engine
from services.gateway.routes.health import failing_of
from services.gateway.sns import Certificates
from services.gateway.state import Gateway
from services.gateway.viewers import Viewers
from services.kit.auth import load_signing_key
from services.kit.certificates import watch_certificates
from services.kit.clock import Clock, utc_now
from services.kit.config import load
from services.kit.logs import configure_logs, get_logger
from services.kit.observe import Observation
from services.kit.own_token import watch_token
from services.kit.telemetry import configure_telemetry

_log = get_logger(__name__)


def assemble(settings: GatewaySettings, clock: Clock = utc_now) -> Gateway:
    """Return what a process holds: connections, keys, files. Nothing is running yet."""
    clients = connect(settings)
    return Gateway(
        settings=settings,
        engine=create_engine(settings.database_url.get_secret_value()),
        clients=clients,
        viewers=Viewers(clients, load_signing_key(settings.gateway_key.get_secret_value())),
        alerts=AlertHub(clients, settings.live_streams),
        assets=Assets(),
        certificates=Certificates(frozenset(settings.sns_cert_hosts.split(","))),
        clock=clock,
    )


def create() -> Any:
    """Return the WSGI application of one worker, its alert stream running."""
    settings = load(GatewaySettings)
    configure_logs("gateway", "wsgi", settings.log_level)
    configure_telemetry("gateway", "wsgi", settings.otel_exporter_otlp_endpoint)
    watch_token(settings.service_token.get_secret_value())
    watch_certificates("", settings.tls_authority)
    gateway = assemble(settings)
    _observe(gateway)
    gateway.alerts.start()
    _on_signal(gateway.alerts.stop)
    return create_app(gateway)


def _observe(gateway: Gateway) -> None:
    """Serve /metrics, /healthz and /readyz of this worker, if an address is set, on the next port that is free."""
    settings = gateway.settings
    if not settings.metrics_listen:
        return
    try:
        Observation(settings.metrics_listen, lambda: failing_of(gateway), ports=settings.workers)
    except OSError as problem:
        # Pages are not to end with what looks at them.
        _log.error("observation_failed", reason=type(problem).__name__, code=problem.errno)


def _on_signal(stop: Callable[[], None]) -> None:
    """Call `stop` when the process is told to end: streams that browsers hold open would keep the server from it.

    The server sets its own handlers later, so this listens where Python notes every signal that has one.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        with reader, writer:
            reader.recv(1)
            stop()

    threading.Thread(target=wait, name="signals", daemon=True).start()
