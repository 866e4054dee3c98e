"""One stack for each file of tests: its processes take seconds to start."""

from collections.abc import Iterator

import pytest

from tests.integration.gateway.stack import SERVICES, Stack, running
from tests.support.postgres import Databases
from tests.support.servers import Servers
from tests.support.tokens import Tokens


@pytest.fixture(scope="module")
def stack(servers: Servers, tokens: Tokens, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The gateway's application before real services: the usual ones, or those that the module names in SERVICES."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw0")
    databases = Databases(servers.postgres)
    services = getattr(request.module, "SERVICES", SERVICES)
    with running(databases, servers.nats[int(worker.removeprefix("gw"))], tokens, services) as found:
        yield found
        found.gateway.engine.dispose()
        for channel in found.gateway.clients.channels.values():
            channel.close()
    databases.give_back()


@pytest.fixture(autouse=True)
def present(stack: Stack) -> Iterator[None]:
    """Bring the clock back after a test that moved it."""
    yield
    stack.clock.later *= 0
