"""What notify reads from the environment beyond the shared settings."""

from typing import Annotated

from pydantic import Field, SecretStr

from services.kit.config import Address, ServiceSettings


class Config(ServiceSettings):
    """The settings of `python -m services.notify serve`."""

    service_token: SecretStr
    """Notify's own token, which ends after its days, with the scopes directory.read, queue.alerts,
    queue.read and queue.submit."""
    directory_address: Address
    """HOST:PORT of directory."""
    queue_address: Address
    """HOST:PORT of queue."""
    portal_url: str = ""
    """Where people sign in; alerts link to it. Empty leaves the link out."""
    remind_hours: Annotated[float, Field(ge=0, le=720)] = 24.0
    """How long after its acknowledgement, and after the last reminder, people are reminded of a threat that nobody has
    decided, three times; 0 reminds nobody."""
