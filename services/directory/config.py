"""What directory reads from the environment."""

from pydantic import SecretStr

from services.kit.certificates import Certificates
from services.kit.config import Address, ServiceSettings, Settings


class Config(ServiceSettings):
    """The settings of `python -m services.directory serve`."""


class RosterSettings(Settings):
    """The settings of `python -m services.directory import-roster`."""

    directory_address: Address
    """HOST:PORT of directory."""
    service_token: SecretStr
    """A token with the scope directory.write."""
    tls_authority: Certificates = ""
    """PEM of the certificates that directory's must descend from, usually by TLS_AUTHORITY_FILE; empty: no TLS."""
    accepts_leavers: bool = False
    """Whether the set is right although schools close, or many people leave or are out of reach (docs/roster.md)."""
