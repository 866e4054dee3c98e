"""What one process of the gateway holds, made once after fork and reached from requests."""

from dataclasses import dataclass
from typing import cast
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import current_app, g

from services.gateway.access import Person
from services.gateway.alerts import AlertHub
from services.gateway.assets import Assets
from services.gateway.clients import Clients
from services.gateway.config import GatewaySettings
from services.gateway.sns import Certificates
from services.gateway.viewers import Viewers
from services.kit.clock import Clock

KEY = "lantern"
"""Where the application keeps its Gateway."""


@dataclass(frozen=True)
class Gateway:
    """Everything that requests share."""

    settings: GatewaySettings
    engine: sa.Engine
    clients: Clients
    viewers: Viewers
    alerts: AlertHub
    assets: Assets
    certificates: Certificates
    clock: Clock

    @property
    def zone(self) -> ZoneInfo:
        """The district's zone."""
        return ZoneInfo(self.settings.district_time_zone)


def gateway() -> Gateway:
    """Return what the running application holds."""
    return cast(Gateway, current_app.extensions[KEY])


def person() -> Person:
    """Return who is signed in; only routes that require a permission may ask."""
    return cast(Person, g.person)
