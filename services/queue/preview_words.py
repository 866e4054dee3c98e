"""Previews as protos: reasons in sentences, and what texts and calls cost."""

import math
from typing import NamedTuple

from protos.queue.v1 import queue_pb2 as pb
from services.queue import words
from services.queue.actions.previewing import ChannelPreview
from services.queue.domain import CALLS, Channel
from services.queue.failures import explain
from services.queue.segments import segments_of
from services.queue.ways import DUPLICATE, EXCLUDED, NO_DEVICE, OF_NO_USE, OUT_OF_REACH, UNLISTED

_SENTENCES = {
    DUPLICATE: "The same contact as another recipient: sent once per family.",
    NO_DEVICE: "No device with the app.",
    OF_NO_USE: "Quiet hours end when it is of no use any more.",
    EXCLUDED: "Of a school that is excluded from communication.",
    OUT_OF_REACH: "Of a school that you cannot write to.",
    UNLISTED: "Not in the directory, or no longer: of an uploaded list only what it went to is known.",
}


_WORDS_A_SECOND = 150 / 60
"""How fast a voice reads, about."""


class Prices(NamedTuple):
    """In dollars; 0 where it is not known."""

    segment: float
    """Of a text."""
    minute: float
    """Of a call, each begun one being charged."""


FREE = Prices(0.0, 0.0)


def channel_preview(found: ChannelPreview, prices: Prices) -> pb.ChannelPreview:
    """Return what one channel would do."""
    message = pb.ChannelPreview(
        channel=words.channel_number(found.channel),
        goes_out=found.goes_out,
        inbox_only=found.inbox_only,
        waiting=found.waiting,
        waits_until=words.stamp(found.waits_until),
    )
    for reason, how_many in sorted(found.left_out.items(), key=lambda pair: (-pair[1], pair[0])):
        sentence = _SENTENCES.get(reason) or explain("lantern", reason).sentence
        names = found.left_out.names.get(reason, ())
        message.left_out.add(reason=reason, sentence=sentence, count=how_many, names=names)
    if found.channel is Channel.SMS:
        taken = segments_of(found.text + found.below)
        message.segments, message.is_unicode, message.characters = taken.count, taken.is_unicode, taken.characters
        message.price_cents = round(100 * prices.segment * _segments(found, taken.count))
    for language, how_many in found.languages.most_common():
        segments = _translated(found, language)
        message.languages.add(language=language, goes_out=how_many, segments=segments)
    if found.channel in CALLS:
        seconds = found.seconds or len(found.text.split()) / _WORDS_A_SECOND
        message.minutes = max(1, math.ceil(seconds / 60))
        message.price_cents = round(100 * prices.minute * message.minutes * found.goes_out)
    return message


def _segments(found: ChannelPreview, original: int) -> int:
    """Return the segments of all that goes out; a translation that could not be had counts like the original."""
    translated = (
        how_many * (_translated(found, language) or original) for language, how_many in found.languages.items()
    )
    return original * (found.goes_out - found.languages.total()) + sum(translated)


def _translated(found: ChannelPreview, language: str) -> int:
    """Return the segments of a translation; 0 where it could not be had."""
    text = found.translations.get(language, "")
    return segments_of(text + found.below).count if text else 0
