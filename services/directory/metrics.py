"""What directory measures."""

from services.kit.telemetry import meter

roster_age = meter(__name__).create_gauge(
    "lantern.directory.roster.age", "s", "How long ago a roster was imported last; absent before the first."
)
