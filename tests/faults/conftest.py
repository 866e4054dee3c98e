"""The running system for the tests that kill parts of it: the same one that the end-to-end tests use."""

import pytest

from tests.e2e.system import System, start


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest) -> System:
    """The whole system; it ends with the worker."""
    running = start()
    request.config.add_cleanup(running.stop)
    return running
