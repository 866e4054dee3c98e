"""Placeholders of a text that goes to many: {student}, {date}, {school}, {code}; pure.

What is the same for every recipient is put in when the message is made, the rest when it is sent or shown.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final, NamedTuple

from services.queue.domain import MAX_SUBJECT, MAX_TEXT
from services.queue.work import Content, Delivery, Work

PLACEHOLDERS: Final = ("student", "date", "school", "code")
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_LONGEST_NAMES: Final = 160
"""Characters of several students' names; more are counted."""
_LONGEST_CODES: Final = 60


class Told(NamedTuple):
    """Of whom a message tells one of its recipients."""

    entry_id: str
    number: int
    person_id: str
    contact: str
    """What Once Per Family compares; empty where it is none."""
    name: str
    codes: str


def unknown(text: str) -> list[str]:
    """Return what stands in braces and is no placeholder."""
    return sorted({each for each in _PLACEHOLDER.findall(text) if each not in PLACEHOLDERS})


def fill(text: str, values: Mapping[str, str], longest: int) -> str:
    """Return the text with these values, cut at the channel's limit; placeholders without a value stay."""
    filled = _PLACEHOLDER.sub(lambda found: values.get(found[1], found[0]), text)
    return filled if len(filled) <= longest else f"{filled[: longest - 1]}…"


def day_in(day: date, language: str) -> str:
    """Return a day as a text of this language says it: "2 Nov 2026" in English, figures alone in others."""
    return f"{day.day} {day:%b %Y}" if _is_english(language) else day.isoformat()


def about(students: Iterable[tuple[str, str]], language: str = "en") -> dict[str, str]:
    """Return the values of these students, each a name and the codes of their absences; `language` is the text's."""
    every = list(dict.fromkeys(students))
    codes = dict.fromkeys(code for _, given in every for code in given.split(", ") if code)
    return {"student": _names([name for name, _ in every], language), "code": ", ".join(codes)[:_LONGEST_CODES]}


def _names(names: list[str], language: str) -> str:
    if len(names) < 2:
        return "".join(names)
    # Commas and a plus say "and" in every language.
    is_english = _is_english(language)
    whole = f"{', '.join(names[:-1])} and {names[-1]}" if is_english else ", ".join(names)
    if len(whole) <= _LONGEST_NAMES:
        return whole
    first, more = names[0][:_LONGEST_NAMES], len(names) - 1
    return f"{first} and {more} more" if is_english else f"{first} +{more}"


def _is_english(language: str) -> bool:
    return language.partition("-")[0].lower() == "en"


def by_number(
    told: Sequence[Told], entry_id: str, language: str = "en", *, once_per_family: bool
) -> dict[int, dict[str, str]]:
    """Return the values of an entry's recipients by their number, given of whom its message tells everybody.

    Once Per Family one message stands for all: it names every student of whom its message tells this person, or whom
    it tells of at this contact.
    """
    families: dict[str, dict[tuple[str, str], None]] = {}
    for each in told:
        for key in _keys(each):
            families.setdefault(key, {})[each.name, each.codes] = None
    found = {}
    for one in told:
        if one.entry_id == entry_id:
            keys = _keys(one) if once_per_family else []
            together = [each for key in keys for each in families[key]]
            found[one.number] = about([*together, (one.name, one.codes)], language)
    return found


def content_for(work: Work, recipient: Delivery) -> Content:
    """Return what this recipient is told."""
    values = work.values.get(recipient.number)
    if not values:
        return work.content
    subject = fill(work.content.subject, values, MAX_SUBJECT)
    return replace(work.content, subject=subject, text=fill(work.content.text, values, MAX_TEXT[work.batch.channel]))


def text_for(work: Work, recipient: Delivery) -> str:
    """Return the text that this recipient is told."""
    return content_for(work, recipient).text


def _keys(each: Told) -> list[str]:
    person, contact = each.person_id, each.contact
    # The contact first: its duplicates are named in the order in which they were told of.
    return [*([f"at {contact}"] if contact else []), *([f"person {person}"] if person else [])]
