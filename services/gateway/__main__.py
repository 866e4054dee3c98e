"""The gateway's processes: `wsgi` serves, `migrate` makes the tables, `add-accounts` reads JSON lines."""

import sys

from granian import Granian
from granian.constants import Interfaces

from services.gateway.accounts import add_accounts, people_in_directory, read_accounts
from services.gateway.config import AccountsSettings, GatewaySettings
from services.gateway.database import create_engine
from services.kit.config import load
from services.kit.errors import ServiceError
from services.kit.run import Command, run_service

_STOP_SECONDS = 8


def serve() -> int:
    """Answer HTTP until a signal."""
    settings = load(GatewaySettings)
    host, _, port = settings.listen.rpartition(":")
    Granian(
        "services.gateway.wsgi:create",
        factory=True,
        interface=Interfaces.WSGI,
        address=host,
        port=int(port),
        workers=settings.workers,
        blocking_threads=settings.threads,
        backpressure=settings.threads * 2,
        websockets=False,
        log_access=False,
        respawn_failed_workers=True,
        workers_kill_timeout=_STOP_SECONDS,
    ).serve()
    return 0


def add() -> int:
    """Add the accounts that stdin names, all or none."""
    settings = load(AccountsSettings)
    engine = create_engine(settings.database_url.get_secret_value())
    try:
        count = add_accounts(engine, read_accounts(sys.stdin, people_in_directory(settings)))
    except ServiceError as problem:
        lines = [f"line {each.pointer[1:]}: {each.detail}" for each in problem.violations]
        print("\n".join([problem.message, *lines]), file=sys.stderr)
        return 1
    finally:
        engine.dispose()
    print(f"{count} accounts")
    return 0


if __name__ == "__main__":
    raise SystemExit(
        run_service(
            "gateway",
            [
                Command("wsgi", "serve the web UI, REST and webhooks", serve, GatewaySettings),
                Command("add-accounts", "add accounts from JSON lines on stdin", add, AccountsSettings),
            ],
        )
    )
