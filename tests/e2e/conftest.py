"""The running system and browsers for the tests of the whole."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright

from tests.e2e.people import People
from tests.e2e.system import System, start
from tests.support.chromium import FLAGS, executable


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest) -> System:
    """The whole system; it ends with the worker."""
    running = start()
    request.config.add_cleanup(running.stop)
    return running


@pytest.fixture(scope="module")
def people(system: System) -> Iterator[People]:
    """People at their browsers."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        yield People(system, browser)
        browser.close()
