"""What moderation reads from the environment."""

import os
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from services.kit.config import NatsUrl, ServiceSettings, Settings


class Config(ServiceSettings):
    """The settings of `python -m services.moderation serve`."""

    provider: Literal["embedded", "moderationapi"] = "embedded"
    """Who judges: the embedded model, or the vendor with the embedded model beside it."""
    modapi_secret_key: Annotated[SecretStr, Field(validate_default=True)] = SecretStr("")
    """Project key of ModerationAPI; needed when it is the provider."""
    modapi_base_url: str = "https://api.moderationapi.com/v1"
    """Where ModerationAPI answers."""
    modapi_timeout_seconds: Annotated[float, Field(gt=0, le=30)] = 5.0
    """How long an answer of the vendor may take, all tries together."""
    conversation_minutes: Annotated[int, Field(ge=0, le=1440)] = 30
    """How long a student's text is kept, so that messages to the same people are read together; 0 keeps none."""
    outage_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """How long a message waits for the vendor before the embedded model decides in its place."""

    @field_validator("modapi_secret_key")
    @classmethod
    def _needed_by_the_vendor(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        if info.data.get("provider") == "moderationapi" and not key.get_secret_value().strip():
            raise ValueError("is needed when PROVIDER is moderationapi")
        return key


class LendConfig(Settings):
    """The settings of `python -m services.moderation lend`."""

    nats_url: NatsUrl
    """nats://… (as for all) of a user who may do [no more than lend](scaling.md#a-process-that-lends-its-model)."""


def wanted_process() -> str:
    """Return what the environment is for: `lend` when it has NATS_URL and nothing that `serve` alone reads."""
    own = Config.model_fields.keys() - LendConfig.model_fields.keys()
    return "lend" if _is_set("nats_url") and not any(map(_is_set, own)) else "serve"


def _is_set(setting: str) -> bool:
    name = setting.upper()
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))
