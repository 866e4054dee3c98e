"""Types of messages, proto to our words and back."""

from collections.abc import Iterable

from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.queue.message_types import MessageType

TYPE_NUMBERS = {
    MessageType(name.removeprefix("MESSAGE_TYPE_").lower()): number
    for name, number in types.MessageType.items()
    if number
}
_BY_NUMBER = {int(number): each for each, number in TYPE_NUMBERS.items()}


def message_types(pointer: str, numbers: Iterable[int]) -> list[MessageType]:
    """Return the types of these numbers, or raise InvalidArgument."""
    given = set(numbers)
    if unknown := given - _BY_NUMBER.keys():
        wrong = [(pointer, f"{min(unknown)} is no type of messages.")]
        raise InvalidArgument("MESSAGE_TYPE_UNKNOWN", "A type of messages is not known.", violations=wrong)
    return [_BY_NUMBER[each] for each in sorted(given)]
