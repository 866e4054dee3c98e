"""People at their browsers: signing in, writing, reading."""

from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page, expect

from tests.e2e.system import PASSWORD, System

_PATIENCE_MS = 15_000


@dataclass
class People:
    """Opens pages; everybody keeps one browser context and signs in once."""

    system: System
    browser: Browser
    pages: dict[str, Page] = field(default_factory=dict)

    def page(self, username: str) -> Page:
        """Return a new page of somebody who is signed in."""
        if username not in self.pages:
            page = self.browser.new_context(base_url=self.system.url).new_page()
            page.set_default_timeout(_PATIENCE_MS)
            page.goto("/sign-in")
            page.fill("#username", username)
            page.fill("#password", PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda address: "/sign-in" not in address)
            self.pages[username] = page
        page = self.pages[username].context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        return page

    def write_to_teacher(self, username: str, subject: str, body: str) -> None:
        """Let a student write to Tom Reed."""
        page = self.page(username)
        page.goto("/compose")
        page.get_by_label("Find a teacher by name").fill("Tom Reed")
        page.get_by_role("checkbox", name="Tom Reed").check()
        page.fill("#subject", subject)
        page.fill("#body", body)
        page.get_by_role("button", name="Send", exact=True).click()
        expect(page.get_by_role("heading", name="Message sent")).to_be_visible()
        page.close()
