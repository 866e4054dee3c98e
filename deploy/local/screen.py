"""What a person sees: steps with their time while it starts, one screen when it is ready, and what goes wrong."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.children import last_lines
from deploy.local.places import Places


class Screen:
    """Prints to a console; colours only where it is a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        """Print on standard output unless another console is given."""
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._last_progress = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Print a step, and how long it took once it is done."""
        started = time.monotonic()
        self._console.print(f"{title} …")
        yield
        self._console.print(f"  {time.monotonic() - started:.1f} s", style="dim")

    def progress(self, log: Path) -> None:
        """Print the last line of a step's log, if it is a new one."""
        lines = last_lines(log, 1)
        if lines and lines[0] != self._last_progress:
            self._last_progress = lines[0]
            self._console.print(f"  {lines[0][:200]}", style="dim", markup=False)

    def warn(self, text: str) -> None:
        """Say that something needs a look."""
        self._console.print(text, style="yellow", markup=False)

    def fail(self, text: str) -> None:
        """Say what ended the run."""
        self._console.print(text, style="bold red", markup=False)

    def tail(self, log: Path) -> str:
        """Return the last lines of a log."""
        return "\n".join(f"    {line[:400]}" for line in last_lines(log))

    def show(self, gateway: str, vendors: str, places: Places) -> None:
        """Print the one screen: where, who, what has happened, how to stop."""
        self._console.print()
        self._console.print(f"[bold]Lantern is ready:[/bold] [link={gateway}]{gateway}[/link]")
        self._accounts(_read(places.local / "accounts.json", []))
        self._summary(_read(places.local / "summary.json", {}))
        self._console.print(f"What arrived at families' phones and inboxes: {vendors}")
        self._console.print(f"Logs: {places.logs}")
        self._console.print("Stop: Ctrl-C here, or make stop. Start afresh: make reset.")

    def _accounts(self, accounts: list[dict[str, Any]]) -> None:
        if not accounts:
            return
        table = Table(
            "Sign in as", "Role", "User name", "Password", box=None, header_style="bold", padding=(0, 2, 0, 0)
        )
        for each in one_for_each_role(accounts):
            title = each.get("title") or each.get("profile") or each["role"]
            table.add_row(title, each["role"], each["username"], each["password"])
        self._console.print(table)

    def _summary(self, summary: dict[str, Any]) -> None:
        """Print what the system has done, in the order that the loader gave."""
        facts = ", ".join(
            f"{value:,} {name}" if isinstance(value, int) else f"{value} {name}" for name, value in summary.items()
        )
        if facts:
            self._console.print(f"So far: {facts}.", markup=False)


def one_for_each_role(accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the account with the shortest user name of each kind, and all when there are few.

    The sample's short ones (`principal`, not `principal.maple`) are of the school at which today's threats happen.
    """
    if len(accounts) <= 10:
        return accounts
    chosen: dict[str, dict[str, Any]] = {}
    for each in accounts:
        kind = each.get("profile") or each["role"]
        if kind not in chosen or len(each["username"]) < len(chosen[kind]["username"]):
            chosen[kind] = each
    return list(chosen.values())


def _read(path: Path, absent: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else absent
