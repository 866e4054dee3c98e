"""Normal forms of contacts: case-folded addresses, E.164 numbers. What has none cannot be reached."""

import re

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from services.queue.calling import MOST_NUMBERS, numbers_of
from services.queue.domain import CALLS, Channel, travels_as
from services.queue.records import Addressee

INVALID = {Channel.EMAIL: "INVALID_EMAIL", Channel.SMS: "INVALID_NUMBER"} | dict.fromkeys(CALLS, "INVALID_PHONE")
"""Problem of a contact on record that cannot be used."""
MISSING = {Channel.EMAIL: "NO_EMAIL", Channel.SMS: "NO_NUMBER"} | dict.fromkeys(CALLS, "NO_PHONE")
"""Problem of a recipient with no contact on record."""
_ATOM = r"[a-z0-9!#$%&'*+/=?^_{|}~-]+"
_PLAIN_EMAIL = re.compile(rf"{_ATOM}(\.{_ATOM})*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{{2,}}")
_LONGEST_EMAIL = 254
# Most rows carry what directory normalised already; parsing each again would cost more than writing it.
_NANP = re.compile(r"\+1[2-9]\d\d[2-9]\d{6}")


def normal_email(text: str) -> str:
    """Return the address case-folded, or an empty text when it is none."""
    folded = text.strip().casefold()
    if len(folded) <= _LONGEST_EMAIL and _PLAIN_EMAIL.fullmatch(folded):
        return folded
    try:
        return validate_email(folded, check_deliverability=False).normalized.casefold()
    except EmailNotValidError:
        return ""


def normal_number(text: str, region: str = "US") -> str:
    """Return the number in E.164, or an empty text when it is none; `region` is meant without a country code."""
    if _NANP.fullmatch(text):
        return text
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def destination(channel: Channel, person: Addressee, *, has_inbox: bool) -> tuple[str, str] | None:
    """Return where this channel reaches the person and what is wrong with it; None when it does not address them.

    Push addresses people with a device. A person without an e-mail address who has an account gets an e-mail in the
    portal inbox alone (`has_inbox`): no destination and no problem.
    """
    if channel is Channel.PUSH:
        return (",".join(person.devices), "") if person.devices else None
    if channel is Channel.SMS:
        if _NANP.fullmatch(person.mobile):
            return person.mobile, ""
        number = normal_number(person.mobile) if person.mobile else ""
        return _contact(channel, person.mobile, number, person.invalid_mobile)
    if channel in CALLS:
        return _phones(channel, person)
    found = _contact(channel, person.email, normal_email(person.email) if person.email else "", person.invalid_email)
    if found[1] and person.has_account and person.person_id and has_inbox and not found[0]:
        return "", ""
    return found


def compared(channel: Channel, destination: str) -> str:
    """Return what Once Per Family compares: the case-folded destination; of several numbers to call the first."""
    return next(iter(numbers_of(destination)), "") if channel in CALLS else destination.casefold()


def _phones(channel: Channel, person: Addressee) -> tuple[str, str]:
    given = list(person.phones) or [person.mobile]
    normal = dict.fromkeys(filter(None, (normal_number(each) for each in given if each)))
    return _contact(channel, given[0], ",".join(list(normal)[:MOST_NUMBERS]), person.invalid_phone)


def _contact(channel: Channel, given: str, normal: str, invalid: str) -> tuple[str, str]:
    if normal:
        return normal, ""
    if given or invalid:
        return (given or invalid).strip()[:_LONGEST_EMAIL], INVALID[travels_as(channel)]
    return "", MISSING[travels_as(channel)]
