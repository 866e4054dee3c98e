"""Lists of suppressions between contract and code: what is asked for, where a page ended, what is found."""

import base64
from datetime import UTC, datetime

from protos.queue.v1 import contacts_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument
from services.queue import words
from services.queue.domain import Channel
from services.queue.failures import explain
from services.queue.store.suppressions import Key, Sought, Suppression
from services.queue.suppressing import ERROR_CODES

_CHANNELS = {types.CHANNEL_UNSPECIFIED: "", types.CHANNEL_EMAIL: "email", types.CHANNEL_SMS: "sms"}
_PAGE_SIZE, _LARGEST_PAGE = 20, 500
_LONGEST_DOMAIN = 253


def read(request: pb.ListSuppressionsRequest) -> tuple[Sought, Key, int]:
    """Return what is asked for, after which row, and how many; InvalidArgument names everything that cannot be read."""
    after = _read_key(request.after) if request.after else Key()
    domain = request.domain.strip().removeprefix("@").casefold()
    checks = {
        "channel": ("EMAIL, SMS or neither.", request.channel in _CHANNELS),
        "reason": (f"One of {', '.join(ERROR_CODES)}, or none.", request.reason in {"", *ERROR_CODES}),
        "domain": ("Enter what follows the @.", len(domain) <= _LONGEST_DOMAIN and not set(domain) & set("@\x00 ")),
        "size": (f"1 to {_LARGEST_PAGE}.", 0 <= request.size <= _LARGEST_PAGE),
        "after": ("This is no page.", after is not None),
    }
    wrong = [(f"/{name}", text) for name, (text, is_right) in checks.items() if not is_right]
    if wrong or after is None:
        raise InvalidArgument("FILTER_INVALID", "Some filters cannot be read.", violations=wrong)
    since = words.moment(request.since) or datetime.min.replace(tzinfo=UTC)
    return Sought(_CHANNELS[request.channel], request.reason, domain, since), after, request.size or _PAGE_SIZE


def suppression(found: Suppression) -> pb.Suppression:
    """Return a suppression with its reason in a sentence."""
    return pb.Suppression(
        channel=words.channel_number(Channel(found.channel)),
        destination=found.destination,
        reason=found.reason,
        sentence=explain("lantern", ERROR_CODES[found.reason]).sentence,
        code=found.code,
        at=words.stamp(found.suppressed_at),
    )


def next_page(last: Suppression) -> str:
    """Return where the page after this row begins."""
    key = f"{last.suppressed_at.astimezone(UTC).isoformat()} {last.channel} {last.destination}"
    return base64.urlsafe_b64encode(key.encode()).decode()


def _read_key(text: str) -> Key | None:
    try:
        at, channel, destination = base64.urlsafe_b64decode(text.encode()).decode().split(" ", 2)
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    is_key = moment.tzinfo is not None and "\x00" not in channel + destination
    return Key(moment, channel, destination) if is_key else None
