"""What the page of an e-mail's unsubscribing link says, in the languages of `unsubscribing.json`, else in English."""

import json
from pathlib import Path
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from protos.queue.v1 import contacts_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.kit.dates import spoken

CATALOGUE: Final[dict[str, dict[str, str]]] = json.loads(
    Path(__file__).with_name("unsubscribing.json").read_text(encoding="utf-8")
)
"""Sentences by language and name; {address} and {types} stand for what they say."""
_TYPES: Final = {
    types.MESSAGE_TYPE_ATTENDANCE: "attendance",
    types.MESSAGE_TYPE_ANNOUNCEMENT: "announcement",
    types.MESSAGE_TYPE_SURVEY: "survey",
}


class Words(NamedTuple):
    """The page in one language."""

    language: str
    """As a BCP 47 tag."""
    title: str
    text: Markup
    button: str
    help: str


def words_of(subscription: pb.Subscription, *, is_changed: bool) -> Words:
    """Return what the page says of a subscription, in its recipient's language; `is_changed`: just now."""
    language = spoken(subscription.language)
    said = CATALOGUE[language]
    name = ("started" if is_changed else "ask") if subscription.is_wanted else "stopped"
    values = {
        "types": said[_TYPES[subscription.message_type]],
        "address": Markup("<bdi>{}</bdi>").format(subscription.masked_address),
    }
    title, text = said[f"{name}_title"].format(**values), escape(said[name]).format(**values)
    return Words(language, title, text, said["stop" if subscription.is_wanted else "start"], said["help"])
