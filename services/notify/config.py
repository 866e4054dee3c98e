"""What notify reads from the environment beyond the shared settings."""

from services.kit.config import Address, ServiceSettings


class Config(ServiceSettings):
    """The settings of `python -m services.notify serve`."""

    directory_address: Address
    """HOST:PORT of directory."""
    queue_address: Address
    """HOST:PORT of queue."""
    portal_url: str = ""
    """Where people sign in; alerts link to it. Empty leaves the link out."""
