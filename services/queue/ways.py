"""By which ways a message can be sent again, and to whom: pure rules (statement 305).

A channel that the message went by says what it said, at the destinations that it had. Any other one says the body, as
the composer would have it, at the contacts that directory names now.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.queue import contacts
from services.queue.calling import can_be_spoken
from services.queue.domain import CALLS, MAX_TEXT, SURVEYS, Channel, FamilyFilter
from services.queue.left_out import LeftOut
from services.queue.records import (
    KIND_ALERT,
    ROLE_ADMIN,
    ROLE_TEACHER,
    TYPE_DIRECTORY,
    Addressee,
    Entry,
    Message,
    Recipient,
)
from services.queue.surveys import LINK_ROOM

DUPLICATE, NO_DEVICE, OF_NO_USE = "DUPLICATE", "NO_DEVICE", "OF_NO_USE"
EXCLUDED, OUT_OF_REACH, UNLISTED = "EXCLUDED", "OUT_OF_REACH", "UNLISTED"
"""Why a recipient is left out, beside the problems of contacts."""
_OTHERS: Final = (Channel.EMAIL, Channel.SMS, Channel.PUSH, Channel.TTS, Channel.RECORDED)


@dataclass(frozen=True)
class Scope:
    """Schools whose people may be written to now."""

    own: str
    """The sender's."""
    excluded: frozenset[str] = frozenset()
    """Schools that are excluded from communication: each speaks within itself alone (section R)."""
    seen: frozenset[str] | None = None
    """Those that whoever sends again may reach; None: every one."""

    def left_out(self, row: Recipient) -> str:
        """Return why a recipient's school leaves them out; empty when it does not."""
        is_own = row.school_id == self.own
        # Whom an uploaded list names belongs to no school that is known.
        is_stranger = not is_own or row.type != TYPE_DIRECTORY
        if (self.own in self.excluded and is_stranger) or (row.school_id in self.excluded and not is_own):
            return EXCLUDED
        return OUT_OF_REACH if row.school_id and self.seen is not None and row.school_id not in self.seen else ""


def source_of(channel: Channel, entries: Sequence[Entry]) -> Entry | None:
    """Return the entry by which a message went by this channel at first; None when none did.

    A resend does not count: it addresses only those whom it was made for, and others may be in need of the channel now.
    """
    return next((each for each in entries if each.channel is channel and not each.resend_of), None)


def offered(entry: Entry, entries: Sequence[Entry]) -> list[Channel]:
    """Return the channels to name for an entry, its own first: also those by which it cannot go."""
    asked = [each.channel for each in entries if each.channel in SURVEYS]
    return list(dict.fromkeys([entry.channel, *asked, *_OTHERS]))


def why_not(channel: Channel, message: Message, entries: Sequence[Entry]) -> str:
    """Return in a sentence why a message has nothing to say by a channel; empty when it has."""
    if source_of(channel, entries):
        return ""
    if channel in SURVEYS:
        return "The message asks nothing."
    if channel is Channel.EMAIL and any(each.survey_id for each in entries):
        return "It goes out by e-mail already, as what it asks."
    if channel in CALLS and message.sender.role not in {ROLE_ADMIN, ROLE_TEACHER}:
        return "Calls are for what staff wrote."
    if channel is Channel.RECORDED:
        return "There is no recording to play."
    has_link = channel is Channel.SMS and any(each.survey_id for each in entries)
    return _unsayable(channel, message.body, MAX_TEXT[channel] - (LINK_ROOM if has_link else 0))


def _unsayable(channel: Channel, text: str, most: int) -> str:
    if not text.strip():
        return "There is no text for it."
    if len(text) > most:
        return f"Its text has {len(text):,} characters; {most:,} fit."
    if channel is Channel.TTS and not can_be_spoken(text):
        return "Its text has too many special characters to be read aloud."
    return ""


def to_whom(
    again: tuple[Channel, Message], rows: Sequence[Recipient], people: Mapping[str, Addressee], scope: Scope
) -> tuple[list[Recipient], LeftOut]:
    """Return the rows that are sent again, at their destinations of this channel, and who is left out, by reason.

    A row with a problem has no destination that can be used: it gets that of `people`, whom directory names, by id.
    """
    channel, message = again
    left_out = LeftOut()
    found = list(_reached(again, rows, people, scope, left_out))
    same = contacts.compared(channel, [each.destination for each in found])
    families = [each or f"inbox {row.person_id}" for each, row in zip(same, found, strict=True)]
    duplicates = FamilyFilter(is_on=message.once_per_family).duplicates(families)
    for position in sorted(duplicates):
        left_out.leave(DUPLICATE, found[position].name, found[position].regarding_student_name)
    return [row for position, row in enumerate(found) if position not in duplicates], left_out


def _reached(
    again: tuple[Channel, Message],
    rows: Sequence[Recipient],
    people: Mapping[str, Addressee],
    scope: Scope,
    left_out: LeftOut,
) -> Iterator[Recipient]:
    for row in rows:
        if outside := scope.left_out(row):
            # Whose school one cannot write to, one need not see.
            left_out.leave(outside)
            continue
        person = people.get(row.person_id) if row.problem else None
        destination, problem = _contact(again, row, person) if row.problem else (row.destination, "")
        if problem:
            left_out.leave(problem, row.name, row.regarding_student_name)
        else:
            # Who is reached in the portal inbox alone may have got their account since.
            has_account = person.has_account if person else row.has_account
            yield row._replace(destination=destination, problem="", has_account=has_account)


def _contact(again: tuple[Channel, Message], row: Recipient, person: Addressee | None) -> tuple[str, str]:
    """Return where a row is reached now, or nothing and why not."""
    channel, message = again
    if person is None:
        return "", row.problem
    return contacts.destination(channel, person, has_inbox=message.kind != KIND_ALERT) or ("", NO_DEVICE)
