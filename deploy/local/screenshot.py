"""Pictures of the running sample district for the README: `python -m deploy.local.screenshot` after `make run`.

Writes docs/images/*.png with the Chromium that the browser tests use, light theme, the same size every time.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from deploy.local.places import Places

_FOLDER = Places.here().root / "docs" / "images"
_WIDTH, _HEIGHT = 1360, 850
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]


def main() -> int:
    """Take every picture; return the exit code."""
    run_file = Places.here().run_file
    if not run_file.exists():
        print("Nothing runs here: start it with make run.", file=sys.stderr)
        return 1
    run = json.loads(run_file.read_text(encoding="utf-8"))
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"), args=_FLAGS
        )
        context = browser.new_context(
            base_url=run["gateway"],
            viewport={"width": _WIDTH, "height": _HEIGHT},
            color_scheme="light",
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto("/sign-in")
        _keep(page, "sign-in")
        _sign_in(page, _reader(run["accounts"]))
        for name, take in _PICTURES.items():
            take(page)
            _keep(page, name)
        browser.close()
    return 0


def _reader(accounts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the account that sees the most."""
    return max(accounts, key=lambda each: len(each["permissions"]))


def _sign_in(page: Page, account: dict[str, Any]) -> None:
    page.fill("#username", account["username"])
    page.fill("#password", account["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda address: "/sign-in" not in address)


def _history(page: Page) -> None:
    page.goto("/reports/history?searched=1&all_users=1")


def _threats(page: Page) -> None:
    page.goto("/reports/threats")


def _threat(page: Page) -> None:
    page.goto("/reports/threats")
    page.get_by_role("link", name="Show message").first.click()
    page.get_by_role("heading", name="Possible threat", exact=True).wait_for()


def _composer(page: Page) -> None:
    page.goto("/compose")
    page.fill("#subject", "Early dismissal on Friday")
    page.fill("#body", "School ends at noon on Friday. Buses leave at 12:15.\n\nAfter-school care is open until 17:00.")
    page.get_by_role("checkbox", name="SMS", exact=True).check()
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("heading", name="Before it goes").wait_for()


_PICTURES: dict[str, Callable[[Page], None]] = {
    "history": _history,
    "threats": _threats,
    "threat": _threat,
    "composer": _composer,
}
"""What is shown before each picture is taken, by the picture's name."""


def _keep(page: Page, name: str) -> None:
    page.wait_for_load_state("load")
    page.evaluate("document.fonts.ready")
    path: Path = _FOLDER / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    print(path.relative_to(Places.here().root))


if __name__ == "__main__":
    raise SystemExit(main())
