"""Taking addresses that were lifted here off Amazon SES's own list, which would stop their e-mail for good."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from services.kit.clock import Clock
from services.kit.db import transaction
from services.kit.logs import get_logger
from services.queue.providers.ses_list import SesList
from services.queue.store import lifted

AGAIN_AFTER = timedelta(minutes=5)
"""When Amazon is asked again where it did not do it."""
_log = get_logger(__name__)


@dataclass(frozen=True)
class Lifting:
    """Tells Amazon, one address after the other."""

    engine: AsyncEngine
    clock: Clock
    amazon: SesList

    async def step(self) -> None:
        """Take the next address off Amazon's list, or leave it for later; several processes may do the same at once."""
        async with transaction(self.engine) as connection:
            first = await lifted.first_due(connection, self.clock())
        if first is None:
            return
        code = await self.amazon.remove(first.destination)
        async with transaction(self.engine) as connection:
            if code:
                await lifted.put_off(connection, first, self.clock() + AGAIN_AFTER)
            else:
                await lifted.forget(connection, first)
        if code:
            _log.error("amazon_still_suppresses", code=code)
