"""The processes of the system on one machine: what runs, how often, after what, and what each is told.

This table is the system's picture as code. Names are those of `.local/run.json`.
"""

from dataclasses import dataclass

DATABASES = ("directory", "queue", "moderation", "reports", "notify", "gateway")
"""Services with a database of their own."""
GRPC = ("directory", "queue", "moderation", "reports", "notify")
"""Services that answer gRPC."""
SCOPES: dict[str, frozenset[str]] = {
    "directory": frozenset(),
    "queue": frozenset({"directory.read"}),
    "moderation": frozenset(),
    "reports": frozenset(),
    "notify": frozenset({"directory.read", "queue.alerts", "queue.read", "queue.submit"}),
    "gateway": frozenset(
        {
            "directory.read",
            "moderation.opinions",
            "moderation.read",
            "notify.watch",
            "queue.answers",
            "queue.receipts",
            "queue.recordings",
            "queue.texts",
        }
    ),
}
"""What each service's own token allows it at the others."""


@dataclass(frozen=True)
class Part:
    """One kind of process."""

    service: str
    process: str
    count: int = 1
    wave: int = 1
    """Parts of a lower wave start before and stop after it."""

    @property
    def name(self) -> str:
        """Its name in run.json."""
        return f"{self.service}.{self.process}" if self.service != "vendors" else "vendors"

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return "deploy.vendors" if self.service == "vendors" else f"services.{self.service}"


PARTS = (
    Part("vendors", "serve", wave=0),
    Part("directory", "serve"),
    Part("queue", "serve"),
    Part("queue", "dispatch", count=2),
    Part("queue", "tick"),
    Part("moderation", "serve"),
    Part("reports", "serve"),
    Part("notify", "serve"),
    Part("gateway", "wsgi", wave=2),
)
"""Every part, in the order of their start. PostgreSQL and NATS come before them all."""
