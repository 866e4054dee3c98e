"""One stack for each file of tests: its processes take seconds to start."""

from collections.abc import Iterator

import pytest

from tests.integration.gateway.stack import SERVICES, Stack, running
from tests.support.servers import Servers
from tests.support.tokens import Tokens


@pytest.fixture(scope="module")
def stack(servers: Servers, nats_account: str, tokens: Tokens, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The gateway's application before real services: the usual ones, or those that the module names in SERVICES."""
    services = getattr(request.module, "SERVICES", SERVICES)
    with running(servers.postgres, nats_account, tokens, services) as found:
        yield found


@pytest.fixture(autouse=True)
def present(stack: Stack) -> Iterator[None]:
    """Bring the clock back after a test that moved it."""
    yield
    stack.clock.later *= 0
