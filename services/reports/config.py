"""What reports reads from the environment: the shared settings, nothing of its own."""

from services.kit.config import ServiceSettings


class Config(ServiceSettings):
    """The settings of `python -m services.reports serve`."""
