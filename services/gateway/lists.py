"""Uploaded recipient lists: the good rows go, the bad ones are reported by line."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.kit.errors import InvalidArgument

MOST_ROWS = 20_000
_MOST_COLUMNS = 50
_LONGEST_NAME = 200


def read_list(content: bytes) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
    """Return the good rows and the problems of a CSV file with the columns name, email and mobile.

    A row needs a name and an address or a number. Line 1 is the header. InvalidArgument when the file as a whole cannot
    be read: not UTF-8, no such columns or more than 50, more than MOST_ROWS rows.
    """
    # Whatever lines end with: programs for the Mac still write a carriage return alone.
    reader = csv.reader(io.StringIO(_decode(content), newline=None))
    good: list[dict[str, str]] = []
    problems: list[dict[str, Any]] = []
    try:
        names = _read_header(next(reader, []))
        for row in reader:
            _read_row(reader.line_num, names, row, good, problems)
            if len(good) + len(problems) > MOST_ROWS:
                raise _refuse(f"A list has at most {MOST_ROWS:,} rows.")
    except csv.Error as problem:
        raise _refuse(f"Line {reader.line_num} cannot be read as CSV.") from problem
    return good, problems


def _read_header(cells: Sequence[str]) -> list[str]:
    names = [each.strip().lower() for each in cells]
    if "name" not in names or not {"email", "mobile"} & set(names):
        raise _refuse("The first line names the columns: name, email, mobile.")
    if len(names) > _MOST_COLUMNS:
        raise _refuse(f"A list has at most {_MOST_COLUMNS} columns.")
    return names


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise _refuse("Save the list as CSV in UTF-8.") from problem


def _refuse(text: str) -> InvalidArgument:
    return InvalidArgument("LIST_UNREADABLE", text, violations=[("/list", text)])


def _read_row(
    line: int, names: list[str], row: list[str], good: list[dict[str, str]], problems: list[dict[str, Any]]
) -> None:
    if len(row) > len(names):
        problems.append({"line": line, "detail": "The row has more values than the header has columns."})
        return
    # A short row has nothing in its last columns.
    cells = {name: cell.strip() for name, cell in zip(names, row, strict=False)}
    if not any(cells.values()):
        return
    try:
        good.append(_checked(cells))
    except ValueError as problem:
        problems.append({"line": line, "detail": str(problem)})


def _checked(cells: dict[str, str]) -> dict[str, str]:
    """Return the row with its contacts in normal form. ValueError says what is wrong with it."""
    if any("\x00" in each for each in cells.values()):
        raise ValueError("A character of it cannot be stored.")
    name = cells.get("name", "")
    if not name:
        raise ValueError("The name is missing.")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"The name is longer than {_LONGEST_NAME} characters.")
    email, mobile = cells.get("email", ""), cells.get("mobile", "")
    if not email and not mobile:
        raise ValueError("There is neither an e-mail address nor a mobile number.")
    return {"name": name, "email": _email(email), "mobile": _mobile(mobile)}


def _email(text: str) -> str:
    if not text:
        return ""
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized.lower()
    except EmailNotValidError as problem:
        raise ValueError(f"“{text[:80]}” is not an e-mail address.") from problem


def _mobile(text: str) -> str:
    if not text:
        return ""
    try:
        number = phonenumbers.parse(text, "US")
    except phonenumbers.NumberParseException as problem:
        raise ValueError(f"“{text[:40]}” is not a telephone number.") from problem
    if not phonenumbers.is_valid_number(number):
        raise ValueError(f"“{text[:40]}” is not a number that exists.")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def preview(entries: list[dict[str, str]]) -> directory.PreviewAudienceResponse:
    """Return how many a list would reach."""
    answer = directory.PreviewAudienceResponse(recipients=len(entries))
    for channel, cell in (("email", "email"), ("sms", "mobile"), ("voice", "mobile")):
        values = [entry[cell] for entry in entries if entry[cell]]
        answer.reachable[channel], answer.distinct[channel] = len(values), len(set(values))
    return answer


def recipients(entries: list[dict[str, str]]) -> queue.Recipients:
    """Return rows of a list as the queue takes them."""
    columns = directory.RecipientColumns(
        count=len(entries),
        names=[each["name"] for each in entries],
        emails=[each["email"] for each in entries],
        mobiles=[each["mobile"] for each in entries],
    )
    return queue.Recipients(columns=columns, type=types.RECIPIENT_TYPE_IMPORTED)
