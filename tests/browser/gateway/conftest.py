"""The gateway's pages in a real browser, before real services."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright
from werkzeug.serving import make_server

from tests.integration.gateway.stack import SERVICES, Stack, running
from tests.support.chromium import FLAGS, executable
from tests.support.servers import Servers
from tests.support.tokens import Tokens


@dataclass
class Site:
    """The application at an address, and a browser to look at it."""

    stack: Stack
    url: str
    browser: Browser

    def page(self, username: str = "", **context: Any) -> Any:
        """Return a page of a new browser context, signed in when a username is given."""
        page = self.browser.new_context(base_url=self.url, **context).new_page()
        page.set_default_timeout(15_000)
        page.goto("/sign-in")
        if username:
            page.fill("#username", username)
            page.fill("#password", "correct horse")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda address: "/sign-in" not in address)
        return page


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the module. It ends with it: while it runs, no other test can run an event loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(
    servers: Servers, nats_account: str, tokens: Tokens, chromium: Browser, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """Serve the application on a free port, before the usual services or those that the module names in SERVICES."""
    services = getattr(request.module, "SERVICES", (*SERVICES, "moderation"))
    with running(servers.postgres, nats_account, tokens, services) as stack:
        server = make_server("127.0.0.1", 0, stack.app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(stack, f"http://127.0.0.1:{server.server_port}", chromium)
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def closed(chromium: Browser) -> Iterator[None]:
    """Close the pages that a test opened: they would go on to ask and to listen."""
    yield
    for each in chromium.contexts:
        each.close()
