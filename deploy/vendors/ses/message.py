"""Reads a SendEmail request: who gets it, what it says, and every rule by which SES would refuse it."""

from __future__ import annotations

import base64
import binascii
import email
import email.header
import email.policy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import getaddresses, parseaddr
from typing import Any

from deploy.vendors.aws import AwsError

_TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
_HEADER_NAME = re.compile(r"[!-9;-~]{1,126}")
_ADDRESS = re.compile(r"[^\s@<>\"]+@[^\s@<>\".]+(\.[^\s@<>\".]+)*")
_MAXIMUM_RECIPIENTS = 50
_LONGEST_TEXT = 4_000
_LONGEST_SENDER = 320


@dataclass
class Email:
    """One accepted SendEmail request. `content` makes the full content for the page when someone looks."""

    sender: str
    recipients: list[str]
    subject: str
    text: str
    headers: list[dict[str, str]]
    tags: dict[str, str]
    configuration_set: str
    content: Callable[[], dict[str, Any]]
    copies: dict[str, list[str]] = field(default_factory=dict)


def _refuse(message: str) -> AwsError:
    return AwsError("BadRequestException", message)


def bare_address(text: str) -> str:
    """The address inside `Name <a@b>`. Raises AwsError BadRequestException when there is none."""
    address = text if _ADDRESS.fullmatch(text) else parseaddr(text)[1]
    if not _ADDRESS.fullmatch(address) or not address.isascii():
        raise _refuse("Local address contains control or whitespace, or domain is missing")
    return address


def shown_sender(sender: str) -> str:
    """The sender as a mail program shows it, its name decoded."""
    return str(email.header.make_header(email.header.decode_header(sender)))


def _check_sender(sender: str) -> None:
    # SES would take a name in other letters and families would see it broken: refused, it is noticed here.
    if not sender.isascii():
        raise _refuse(f"FromEmailAddress is not ASCII: {sender}")
    if len(sender) > _LONGEST_SENDER:
        raise _refuse(f"Address length is more than {_LONGEST_SENDER} bytes long: {sender}")


def _typed(value: Any, kind: type, name: str) -> Any:
    if not isinstance(value, kind):
        raise _refuse(f"Value at '{name}' failed to satisfy constraint: wrong type")
    return value


def read_email(request: dict[str, Any]) -> Email:
    """Check and take apart a SendEmail body. Raises AwsError BadRequestException."""
    content = _typed(request.get("Content"), dict, "content")
    kinds = [kind for kind in ("Simple", "Raw", "Template") if kind in content]
    if len(kinds) != 1 or kinds == ["Template"]:
        raise _refuse("Content must have exactly one of Simple, Raw (Template is not simulated)")
    tags = _tags(request)
    copies = _copies(request)
    read = _read_simple if kinds == ["Simple"] else _read_raw
    message = read(content[kinds[0]], request.get("FromEmailAddress", ""), copies)
    _check_sender(message.sender)
    message.tags, message.configuration_set = tags, str(request.get("ConfigurationSetName") or "")
    if not 1 <= len(message.recipients) <= _MAXIMUM_RECIPIENTS:
        raise _refuse(f"Recipient count must be 1 to {_MAXIMUM_RECIPIENTS}.")
    return message


def _tags(request: dict[str, Any]) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in _typed(request.get("EmailTags", []), list, "emailTags"):
        name, value = str(tag.get("Name", "")), str(tag.get("Value", ""))
        if not _TAG.fullmatch(name) or not _TAG.fullmatch(value) or name in tags:
            raise _refuse(f"Invalid email tag <{name}>: letters, digits, _ and -, up to 256, each name once")
        tags[name] = value
    return tags


def _copies(request: dict[str, Any]) -> dict[str, list[str]]:
    destination = _typed(request.get("Destination", {}), dict, "destination")
    names = (("To", "ToAddresses"), ("Cc", "CcAddresses"), ("Bcc", "BccAddresses"))
    return {name: [str(address) for address in destination.get(key) or ()] for name, key in names}


def _recipients(copies: dict[str, list[str]]) -> list[str]:
    return [bare_address(address) for addresses in copies.values() for address in addresses]


def _read_simple(simple: dict[str, Any], sender: str, copies: dict[str, list[str]]) -> Email:
    try:
        subject = _typed(simple["Subject"]["Data"], str, "subject")
        body = _typed(simple["Body"], dict, "body")
        parts = {name.lower(): _typed(body[name]["Data"], str, name) for name in ("Text", "Html") if name in body}
    except (KeyError, TypeError) as error:
        raise _refuse("Subject and Body with Data are required") from error
    headers = _checked_headers(simple.get("Headers") or [])
    shown = {"html": parts.get("html", ""), "headers": headers}
    return Email(
        sender=sender,
        recipients=_recipients(copies),
        subject=subject,
        text=parts.get("text", "")[:_LONGEST_TEXT],
        headers=[{"name": "From", "value": sender}, {"name": "Subject", "value": subject}, *headers],
        tags={},
        configuration_set="",
        content=lambda: shown,
        copies=copies,
    )


def _checked_headers(headers: Any) -> list[dict[str, str]]:
    checked = []
    for header in _typed(headers, list, "headers"):
        name, value = str(header.get("Name", "")), str(header.get("Value", ""))
        if not _HEADER_NAME.fullmatch(name) or not value or not value.isascii() or "\n" in value or len(value) > 870:
            raise _refuse(f"Invalid header <{name}>")
        checked.append({"name": name, "value": value})
    if len(checked) > 15:
        raise _refuse("Header count must be at most 15.")
    return checked


def _read_raw(raw: dict[str, Any], sender: str, copies: dict[str, list[str]]) -> Email:
    try:
        data = base64.b64decode(raw["Data"], validate=True)
    except (KeyError, TypeError, binascii.Error) as error:
        raise _refuse("Raw.Data must be base64") from error
    headers = raw_headers(data)
    values = {header["name"].lower(): header["value"] for header in headers}
    if not (sender := sender or values.get("from", "")):
        raise _refuse("Missing required header 'From'.")
    if not any(copies.values()):
        copies = {
            name: [a for _, a in getaddresses([values.get(name.lower(), "")]) if a] for name in ("To", "Cc", "Bcc")
        }
    return Email(
        sender=sender,
        recipients=_recipients(copies),
        subject=str(email.header.make_header(email.header.decode_header(values.get("subject", "")))),
        text="",
        headers=headers,
        tags={},
        configuration_set="",
        content=lambda: _raw_content(data),
        copies=copies,
    )


def raw_headers(data: bytes) -> list[dict[str, str]]:
    """The header lines of a MIME message, unfolded. Parsing the whole costs a millisecond, so only a viewer pays it.

    Raises AwsError BadRequestException when there is no header at all.
    """
    head = re.split(rb"\r?\n\r?\n", data, maxsplit=1)[0].decode("utf-8", "replace")
    lines = re.sub(r"\r?\n[ \t]+", " ", head).splitlines()
    if not lines or any(":" not in line for line in lines):
        raise _refuse("Malformed MIME message")
    pairs = (line.split(":", 1) for line in lines)
    return [{"name": name.strip(), "value": value.strip()} for name, value in pairs]


def _raw_content(data: bytes) -> dict[str, Any]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    return {
        "text": plain.get_content() if plain else "",
        "html": html.get_content() if html else "",
        "headers": [{"name": name, "value": str(value)} for name, value in message.items()],
    }
