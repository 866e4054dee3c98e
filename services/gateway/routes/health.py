"""Whether the process lives, and whether everything that it needs answers."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Blueprint, Response, json

from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.database import check_database
from services.gateway.state import Gateway, gateway
from services.kit.errors import ServiceError

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@requires(Permission.PUBLIC)
def healthz() -> Response:
    """Say that the process answers."""
    return Response("{}", content_type="application/json")


@blueprint.get("/readyz")
@requires(Permission.PUBLIC)
def readyz() -> Response:
    """Say what does not answer; 200 when that is nothing."""
    failing = failing_of(gateway())
    return Response(json.dumps({"failing": failing}), 503 if failing else 200, content_type="application/json")


def failing_of(gate: Gateway) -> dict[str, str]:
    """Ask the database and every service at the same time; return what does not answer, and why."""
    checks: dict[str, Callable[[], None]] = {"database": lambda: check_database(gate.engine)}
    for name in gate.clients.channels:
        checks[name] = lambda name=name: gate.clients.check(name)  # type: ignore[misc]
    with ThreadPoolExecutor(len(checks)) as pool:
        results = dict(zip(checks, pool.map(_problem, checks.values()), strict=True))
    return {name: problem for name, problem in results.items() if problem}


def _problem(check: Callable[[], None]) -> str:
    try:
        check()
    except ServiceError as problem:
        return problem.reason
    return ""
