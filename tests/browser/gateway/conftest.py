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
from tests.support.postgres import Databases
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
def site(servers: Servers, tokens: Tokens, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Serve the application on a free port, before the usual services or those that the module names in SERVICES."""
    worker = getattr(request.config, "workerinput", {}).get("workerid", "gw0")
    databases = Databases(servers.postgres)
    services = getattr(request.module, "SERVICES", (*SERVICES, "moderation"))
    with running(databases, servers.nats[int(worker.removeprefix("gw"))], tokens, services) as stack:
        server = make_server("127.0.0.1", 0, stack.app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
            yield Site(stack, f"http://127.0.0.1:{server.server_port}", browser)
            browser.close()
        server.shutdown()
        server.server_close()
        stack.gateway.engine.dispose()
        for channel in stack.gateway.clients.channels.values():
            channel.close()
    databases.give_back()
