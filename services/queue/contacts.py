"""Normal forms of contacts: case-folded addresses, E.164 numbers. What has none cannot be reached."""

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from services.queue.calling import MOST_NUMBERS, numbers_of
from services.queue.domain import CALLS, MAILED, Channel, travels_as
from services.queue.records import Addressee, Addressees

INVALID = {Channel.EMAIL: "INVALID_EMAIL", Channel.SMS: "INVALID_NUMBER"} | dict.fromkeys(CALLS, "INVALID_PHONE")
"""Problem of a contact on record that cannot be used."""
MISSING = {Channel.EMAIL: "NO_EMAIL", Channel.SMS: "NO_NUMBER"} | dict.fromkeys(CALLS, "NO_PHONE")
"""Problem of a recipient with no contact on record."""
_LONGEST_EMAIL = 254
_ATOM = r"[a-z0-9!#$%&'*+/=?^_{|}~-]+"
_PLAIN_EMAIL = re.compile(
    rf"(?!.{{{_LONGEST_EMAIL + 1}}}){_ATOM}(\.{_ATOM})*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{{2,}}"
)
# Most rows carry what directory normalised already; parsing each again would cost more than writing it.
_NANP = re.compile(r"\+1[2-9][0-9]{2}[2-9][0-9]{6}")
_ALL_NANP = re.compile(rf"({_NANP.pattern}\n)*+")
_NANP_LINE = len("+12125550100\n")


def normal_email(text: str) -> str:
    """Return the address case-folded, or an empty text when it is none."""
    folded = text.strip().casefold()
    if _PLAIN_EMAIL.fullmatch(folded):
        return folded
    try:
        return validate_email(folded, check_deliverability=False).normalized.casefold()
    except EmailNotValidError:
        return ""


def normal_number(text: str) -> str:
    """Return the number in E.164, or an empty text when it is none; without a country code it is one of the US."""
    if _NANP.fullmatch(text):
        return text
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@dataclass(frozen=True)
class Reached:
    """Those whom a channel addresses, column by column."""

    channel: Channel
    numbers: Sequence[int]
    """Of their deliveries."""
    people: Addressees
    destinations: Sequence[str]
    problems: Sequence[str]

    def families(self) -> Sequence[str]:
        """Return what Once Per Family compares of each: the contact, or for the portal inbox alone the person.

        What cannot be used is compared with nothing: many families have the same "none" on record.
        """
        found = compared(self.channel, self.destinations)
        if all(found) and not any(self.problems):
            return found
        return [
            "" if problem else contact or f"inbox {person_id}"
            for contact, person_id, problem in zip(found, self.people.person_ids, self.problems, strict=True)
        ]

    def without(self, told: Set[tuple[str, str, str]]) -> "Reached":
        """Return it without those who were told already: channel, student and person of each."""
        if not told:
            return self
        about = zip(self.people.regarding_student_ids, self.people.person_ids, strict=True)
        kept = [position for position, each in enumerate(about) if (self.channel.value, *each) not in told]
        return self._only(kept)

    def _only(self, kept: Sequence[int]) -> "Reached":
        return Reached(
            self.channel,
            [self.numbers[each] for each in kept],
            self.people.only(kept),
            [self.destinations[each] for each in kept],
            [self.problems[each] for each in kept],
        )


def reached(channel: Channel, people: Addressees, first: int, *, has_inbox: bool) -> Reached:
    """Return whom the channel addresses, as `destination` says; their deliveries are numbered from `first`."""
    numbers = range(first, first + people.size)
    found, problems = _destinations(channel, people, has_inbox=has_inbox)
    if None not in found:
        return Reached(channel, numbers, people, [each or "" for each in found], problems)
    kept = [position for position, each in enumerate(found) if each is not None]
    destinations = [found[each] or "" for each in kept]
    return Reached(
        channel, [numbers[each] for each in kept], people.only(kept), destinations, [problems[each] for each in kept]
    )


def _destinations(channel: Channel, people: Addressees, *, has_inbox: bool) -> tuple[list[str | None], list[str]]:
    """Return destination and problem of each. What directory made normal already is not parsed again."""
    found: list[str | None] = [None] * people.size
    problems = [""] * people.size
    doubtful: Iterable[int] = range(people.size)
    if channel is Channel.SMS:
        found[:] = people.mobiles
        doubtful = () if _are_plain(people.mobiles) else _unlike(_NANP, people.mobiles)
    elif channel in MAILED:
        folded = [each.strip().casefold() for each in people.emails]
        found[:] = folded
        doubtful = _unlike(_PLAIN_EMAIL, folded)
    for position in doubtful:
        where = destination(channel, people.row(position), has_inbox=has_inbox)
        found[position], problems[position] = where or (None, "")
    return found, problems


def _are_plain(numbers: Sequence[str]) -> bool:
    """Tell whether all are normal already; one look at all of them takes a third of the time, and mostly suffices."""
    text = "\n".join([*numbers, ""])
    # The length tells whether a number has line breaks of its own.
    return len(text) == len(numbers) * _NANP_LINE and _ALL_NANP.fullmatch(text) is not None


def _unlike(pattern: re.Pattern[str], values: Iterable[str]) -> list[int]:
    return [position for position, match in enumerate(map(pattern.fullmatch, values)) if match is None]


def destination(channel: Channel, person: Addressee, *, has_inbox: bool) -> tuple[str, str] | None:
    """Return where this channel reaches the person and what is wrong with it; None when it does not address them.

    Push addresses people with a device. A person without an e-mail address who has an account gets an e-mail in the
    portal inbox alone (`has_inbox`): no destination and no problem.
    """
    if channel is Channel.PUSH:
        return (person.devices, "") if person.devices else None
    if channel is Channel.SMS:
        number = normal_number(person.mobile) if person.mobile else ""
        return _contact(channel, person.mobile, number, person.invalid_mobile)
    if channel in CALLS:
        return _phones(channel, person)
    found = _contact(channel, person.email, normal_email(person.email) if person.email else "", person.invalid_email)
    if found[1] and person.has_account and person.person_id and has_inbox and not found[0]:
        return "", ""
    return found


def masked(destination: str) -> str:
    """Return as much of an address or number as its owner knows again: first letter and domain, or four digits."""
    name, _, domain = destination.rpartition("@")
    return f"{name[:1]}•••@{domain}" if name else f"•••{destination[-4:]}"


def compared(channel: Channel, destinations: Sequence[str]) -> list[str]:
    """Return what Once Per Family compares: case-folded destinations; of several numbers to call the first."""
    if channel in CALLS:
        return [next(iter(numbers_of(each)), "") for each in destinations]
    return list(map(str.casefold, destinations))


def _phones(channel: Channel, person: Addressee) -> tuple[str, str]:
    given = numbers_of(person.phones) or [person.mobile]
    normal = dict.fromkeys(filter(None, (normal_number(each) for each in given if each)))
    return _contact(channel, given[0], ",".join(list(normal)[:MOST_NUMBERS]), person.invalid_phone)


def _contact(channel: Channel, given: str, normal: str, invalid: str) -> tuple[str, str]:
    if normal:
        return normal, ""
    if given or invalid:
        return (given or invalid).strip()[:_LONGEST_EMAIL], INVALID[travels_as(channel)]
    return "", MISSING[travels_as(channel)]
