"""Fixtures for every test: the run's servers, a database per test, an empty NATS account, tokens.

The servers start when the first test asks for one; with pytest-xdist the controller starts them for all workers.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # the plugin has no types

from tests.support import nats as nats_support
from tests.support.postgres import Databases, drop_spare, lending
from tests.support.servers import ENVIRONMENT, Servers, start_servers
from tests.support.tokens import Tokens

_SERVERS = pytest.StashKey[Servers]()
_WHOLE_SYSTEM = ("tests/e2e/", "tests/faults/")


def pytest_configure_node(node: Any) -> None:
    """Give each worker of pytest-xdist the addresses of the run's servers."""
    servers = _started(node.config)
    node.workerinput["servers"] = (servers.postgres, servers.nats, servers.source)


class OneSystem(LoadFileScheduling):  # type: ignore[misc]
    """Spreads files over the workers, but keeps those that need the whole system on one: it is started once."""

    def _split_scope(self, nodeid: str) -> str:
        return "system" if nodeid.startswith(_WHOLE_SYSTEM) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneSystem:
    """Use it in place of --dist loadfile."""
    return OneSystem(config, log)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what was started."""
    if servers := config.stash.get(_SERVERS, None):
        servers.close()


def _started(config: pytest.Config) -> Servers:
    if _SERVERS not in config.stash:
        config.stash[_SERVERS] = start_servers()
        capture: Any = config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            print(f"PostgreSQL and NATS from {config.stash[_SERVERS].source}")
    return config.stash[_SERVERS]


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """The run's PostgreSQL and NATS."""
    given = getattr(request.config, "workerinput", {}).get("servers")
    found = Servers(*given) if given else _started(request.config)
    yield found
    if found.source == ENVIRONMENT:
        drop_spare()


@pytest.fixture
def databases(servers: Servers) -> Iterator[Databases]:
    """Makes databases for this test: `databases.copy("queue")`."""
    with lending(servers.postgres) as made:
        yield made


@pytest.fixture(scope="session")
def nats_account(servers: Servers, request: pytest.FixtureRequest) -> str:
    """The worker's NATS account, with whatever the test before left there."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw0")
    number = int(worker.removeprefix("gw"))
    if number >= len(servers.nats):
        pytest.fail(f"{servers.source} serve {len(servers.nats)} worker(s): run with -n {len(servers.nats)} at most")
    return servers.nats[number]


@pytest.fixture
async def nats_url(nats_account: str) -> str:
    """The worker's NATS account, empty."""
    await nats_support.empty(nats_account)
    return nats_account


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    """Signing keys and tokens that the servers of this run accept."""
    return Tokens.make(tmp_path_factory.mktemp("keys"))
