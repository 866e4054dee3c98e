"""Contacts at the edge: what was imported becomes a usable destination, or a sentence that says why it cannot be one.

Numbers are read as North American when they carry no country, and kept in E.164; addresses are checked for their form
and case-folded (statement 75 compares them so). Whether a mailbox or a handset exists is known only when something is
sent.
"""

from dataclasses import dataclass

import phonenumbers
from email_validator import EmailNotValidError, validate_email

DEFAULT_REGION = "US"
KINDS = ("email", "mobile", "landline", "device")


@dataclass(frozen=True)
class Contact:
    """One way to reach a person; `problem` is empty when `value` can be used."""

    kind: str
    value: str
    problem: str


def read_contact(kind: str, text: str) -> Contact:
    """Return the contact of a kind of KINDS, normalised when it is usable and as it came when not."""
    text = text.strip()
    if kind == "email":
        return _read_email(text)
    if kind == "device":
        return Contact(kind, text, "" if 1 <= len(text) <= 500 else "The device token is not valid.")
    return _read_phone(kind, text)


def _read_email(text: str) -> Contact:
    try:
        # example.* and other special names are refused by default; a district's test data lives there.
        checked = validate_email(text, check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        return Contact("email", text, "The e-mail address is not valid.")
    return Contact("email", checked.normalized.casefold(), "")


def _read_phone(kind: str, text: str) -> Contact:
    try:
        number = phonenumbers.parse(text, DEFAULT_REGION)
    except phonenumbers.NumberParseException:
        return Contact(kind, text, "The telephone number is not valid.")
    if not phonenumbers.is_valid_number(number):
        return Contact(kind, text, "The telephone number is not valid.")
    return Contact(kind, phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), "")
