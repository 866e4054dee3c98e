"""What may still be done about a sent message: stopping what has not left, sending again to whom it did not reach."""

from dataclasses import dataclass, field

from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission, Person
from services.gateway.problems import AWAY
from services.gateway.searches import CHANNEL_OF
from services.gateway.state import gateway
from services.kit.errors import FailedPrecondition, NotFound, PermissionDenied
from services.kit.rpc_errors import translated

RESENDABLE = {"errors": types.DELIVERY_STATE_ERROR, "expired": types.DELIVERY_STATE_EXPIRED}
"""States whose deliveries are sent again, by their names in addresses."""
_RESEND_SECONDS = 60.0


@dataclass(frozen=True)
class Ways:
    """By what an entry may be sent again."""

    channels: list[queue.ResendWay] = field(default_factory=list)
    """Its own first, with why it cannot go by others."""
    refusal: str = ""
    """Why none of it goes again by any channel; empty where this person is not concerned."""


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
    sender = found.header.sender
    sees = person.may(Permission.VIEW_ALL_USERS) and person.sees_school(sender.school_id)
    may = sees or sender.person_id == person.person_id
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


def ways(entry_id: str, person: Person) -> Ways:
    """Return by what an entry may be sent again; nothing where that is not this person's, or queue does not say."""
    if not person.is_staff or not person.may(Permission.SEND_MESSAGES):
        return Ways()
    try:
        return Ways(ask_ways(entry_id))
    except FailedPrecondition as problem:
        return Ways(refusal=problem.message)
    except (NotFound, PermissionDenied, *AWAY):
        return Ways()


def ask_ways(entry_id: str) -> list[queue.ResendWay]:
    """Return the channels for programs; the queue's errors rise."""
    with translated():
        wanted = queue.ListResendWaysRequest(entry_id=entry_id)
        return list(gateway().clients.queue.ListResendWays(wanted).ways)


def preview(entry_id: str, states: "list[types.DeliveryState.ValueType]", channel: str = "") -> queue.ChannelPreview:
    """Return what sending again would do. The queue's errors rise; NotFound for an unknown name of a channel."""
    wanted = queue.PreviewResendRequest(entry_id=entry_id, states=states, channel=_channel(channel))
    with translated():
        answer = gateway().clients.queue.PreviewResend(wanted, timeout=_RESEND_SECONDS)
    found: queue.ChannelPreview = answer.channel
    return found


def resend(
    key: str, entry_id: str, state: "types.DeliveryState.ValueType", channel: str = ""
) -> queue.ResendEntryResponse:
    """Send an entry again to those in a state, by the channel of this name; empty: its own. The queue's errors rise."""
    wanted = queue.ResendEntryRequest(idempotency_key=key, entry_id=entry_id, states=[state], channel=_channel(channel))
    with translated():
        answer: queue.ResendEntryResponse = gateway().clients.queue.ResendEntry(wanted, timeout=_RESEND_SECONDS)
    return answer


def _channel(name: str) -> "types.Channel.ValueType":
    if name and name not in CHANNEL_OF:
        raise NotFound("CHANNEL_UNKNOWN", "There is no such channel.")
    return CHANNEL_OF.get(name, types.CHANNEL_UNSPECIFIED)
