"""A Chromium for the browser tests: found, or got from Debian's packages (as root), or from Playwright, or a failure.

`python -m tests.support.chromium` gets one; `make test` does it before the first test.
"""

import os
import shutil
import subprocess
import sys

from playwright.sync_api import Error, sync_playwright

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What a Chromium needs to run as root, in a container, and to call nobody."""
_PACKAGE = "chromium"


def executable() -> str | None:
    """Return the path of the system's Chromium; None leaves the choice to Playwright, which knows its own."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def problem() -> str:
    """Start Chromium once and load a page; return what went wrong, or an empty text."""
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable(), args=list(FLAGS))
            page = browser.new_page()
            page.set_content("<title>ready</title>")
            title = page.title()
            browser.close()
    except Error as error:
        return str(error).strip().splitlines()[0]
    return "" if title == "ready" else "Chromium starts and shows nothing"


def _from_debian() -> str:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return "only root may install packages, and only with apt-get"
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", _PACKAGE]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"apt-get {command[0]} failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    return problem()


def _from_playwright() -> str:
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"playwright install failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    return problem()


def main() -> int:
    """Make sure that there is one; 1 and the reasons when there cannot be."""
    first = problem()
    if not first:
        return 0
    reasons = [f"here: {first}"]
    for source, get in (("Debian's packages", _from_debian), ("Playwright", _from_playwright)):
        print(f"Chromium for the browser tests, from {source} …", flush=True)
        if not (reason := get()):
            return 0
        reasons.append(f"{source}: {reason}")
    print("No Chromium can be had, and the browser tests need one.\n  " + "\n  ".join(reasons), file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
