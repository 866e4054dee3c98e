"""Fills the templates of data/texts_school.json and data/texts_students.json with names, dates and everyday things."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.local.district.history.drafts import Template
from deploy.local.district.source import data

# A sentence begins at the start, after a blank line, or after its end mark; "6 p.m. in" is no end.
_SENTENCE_START = re.compile(r"(\A|\n\n|(?<!\.m)[.!?] )([a-z])")


class Texts:
    """The templates of one file."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self._rng = rng
        self._data: dict[str, Any] = data(name)
        self._fixes_capitals = name == "texts_school"

    def pick(self, category: str, language: str = "en", other_language_chance: float = 0.0, kind: str = "") -> Template:
        """Return a template of a category: in the language given, when there is one and chance has it, else English.

        `kind` chooses among answers those that fit what was asked.
        """
        templates = [one for one in self.all(category) if one.get("to", "") == kind]
        wanted = language if self._rng.random() < other_language_chance else "en"
        fitting = [one for one in templates if one.get("language", "en") == wanted]
        fitting = fitting or [one for one in templates if one.get("language", "en") == "en"]
        return self._rng.choice(fitting)

    def all(self, category: str) -> Sequence[Template]:
        """Return every template of a category."""
        templates: list[Template] = self._data[category]
        return templates

    def fill(self, template: Template, **values: str) -> Mapping[str, str]:
        """Return the template's subject, body and sms, filled; a word used twice is the same both times."""
        words = {key: self._rng.choice(choices) for key, choices in self._data["fillers"].items()} | values
        fields = ("subject", "body", "sms", "because")
        return {field: self._capitals(template.get(field, "").format_map(words)) for field in fields}

    def _capitals(self, text: str) -> str:
        if not self._fixes_capitals:
            return text
        # A time ends in a full stop of its own: "at 7 p.m." needs no second one.
        return _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text.replace(".m..", ".m."))
