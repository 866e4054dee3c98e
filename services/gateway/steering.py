"""What may still be done about a sent message: stopping what has not left, sending again to whom it did not reach."""

from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission, Person
from services.gateway.state import gateway
from services.gateway.words import CHANNELS, Choice
from services.kit.errors import NotFound
from services.kit.rpc_errors import translated


def managed(message_id: str, person: Person) -> queue.GetMessageResponse | None:
    """Return a message that this person may stop and send again, by the queue's rule; None for any other."""
    if not person.is_staff or not person.may(Permission.SEND_MESSAGES):
        return None
    try:
        with translated():
            found: queue.GetMessageResponse = gateway().clients.queue.GetMessage(
                queue.GetMessageRequest(message_id=message_id)
            )
    except NotFound:
        return None
    sender, schools = found.header.sender, person.visible_schools
    is_near = "*" in schools or sender.school_id in schools
    may = sender.person_id == person.person_id or (person.may(Permission.VIEW_ALL_USERS) and is_near)
    return found if may else None


def waiting(message: queue.GetMessageResponse | None) -> int:
    """Return how many deliveries are not out, or not confirmed; 0 for no message, and for one that was stopped."""
    if message is None or is_stopped(message):
        return 0
    return sum(each.counts.held + each.counts.pending for each in message.entries)


def is_stopped(message: queue.GetMessageResponse) -> bool:
    """Tell whether somebody stopped a message before all of it had left."""
    return any(each.counts.cancelled for each in message.entries)


def cancel(message_id: str) -> int:
    """Stop what has not left; return how many deliveries. NotFound for a message that is not this person's to stop."""
    with translated():
        wanted = queue.CancelMessageRequest(message_id=message_id)
        return int(gateway().clients.queue.CancelMessage(wanted).cancelled)


def ways(message: queue.GetMessageResponse, channel: "types.Channel.ValueType") -> list[Choice]:
    """Return the channels by which an entry may be sent again, its own first: those that the message went by."""
    others = {each.channel for each in message.entries} - {channel}
    return [CHANNELS[each] for each in (channel, *(each for each in CHANNELS if each in others))]


def resend(
    key: str, entry_id: str, state: "types.DeliveryState.ValueType", channel: str = ""
) -> queue.ResendEntryResponse:
    """Send an entry again to those in a state, by the channel of this name; empty: its own. The queue's errors rise."""
    by_name = {choice.value: number for number, choice in CHANNELS.items()}
    if channel and channel not in by_name:
        raise NotFound("CHANNEL_UNKNOWN", "There is no such channel.")
    wanted = queue.ResendEntryRequest(
        idempotency_key=key, entry_id=entry_id, states=[state], channel=by_name.get(channel, types.CHANNEL_UNSPECIFIED)
    )
    with translated():
        answer: queue.ResendEntryResponse = gateway().clients.queue.ResendEntry(wanted)
    return answer
