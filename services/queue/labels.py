"""What the Status and Type columns of recipients say; a rule compares that, and a sort follows it (statement 247)."""

from collections.abc import Mapping
from typing import Final

from services.queue.domain import Channel, State

STATE_LABELS: Final[Mapping[str, str]] = {
    **{state: state.value.replace("_", " ").capitalize() for state in State},
    State.HELD: "Awaiting screening",
    State.CLAIMED: "Pending",
    State.HANDED_OFF: "Pending",
}
CHANNEL_LABELS: Final[Mapping[str, str]] = {
    Channel.EMAIL: "E-mail",
    Channel.SMS: "SMS",
    Channel.TTS: "TTS",
    Channel.RECORDED: "Recorded",
    Channel.PUSH: "Push notifications",
    Channel.POLL: "Poll",
    Channel.SIGNUP: "Sign up",
}
