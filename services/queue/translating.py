"""In which language a recipient is told, how long a message waits for that, and how texts are cut for it: pure.

A language is named by Amazon Translate's code; directory names languages by BCP 47 tags.
"""

import hashlib
import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from services.queue import surveys
from services.queue.domain import MAILED, Channel
from services.queue.records import Entry, Message
from services.queue.surveys import Survey, said, unsaid
from services.queue.voices import is_spoken

_CODES: Final = (
    "af am ar az bg bn bs ca cs cy da de el en es es-MX et fa fa-AF fi fr fr-CA ga gu ha he hi hr ht hu hy id is it ja"
    " ka kk kn ko lt lv mk ml mn mr ms mt nl no pa pl ps pt pt-PT ro ru si sk sl so sq sr sv sw ta te th tl tr uk ur uz"
    " vi zh zh-TW"
)
_BY_TAG: Final = {each.lower(): each for each in _CODES.split()} | {
    "fil": "tl",
    "iw": "he",
    "nb": "no",
    "nn": "no",
    "prs": "fa-AF",
    "zh-hant": "zh-TW",
    "zh-hk": "zh-TW",
    "zh-mo": "zh-TW",
}
MOST_BYTES: Final = 9_000
"""Most bytes of one call; Amazon Translate takes 10,000."""
_MOST_GUARDED_BYTES: Final = 1_800
"""The same where characters may have to be written as entities, of five bytes at most."""
_PLACEHOLDER: Final = re.compile(r"\{[a-z]+\}")
_GUARDED: Final = re.compile(r"<span translate=[\"']?no[\"']?>\s*(\{[a-z]+\})\s*</span>")
_BORDERS: Final = (
    re.compile(r"(?<=\n)"),
    re.compile(r"(?<=[.!?…。！？])(?=\s)"),
    re.compile(r"(?<=\s)"),
    re.compile(""),
)
"""Where a text that is too long is cut, the best first: lines, sentences, words, anywhere."""
_EMERGENCY_WAIT: Final = timedelta(seconds=5)
_HELD_WAIT: Final = timedelta(minutes=1)
_WAIT: Final = timedelta(minutes=15)
_SHARE_OF_LIFE: Final = 4


class Stage(StrEnum):
    """Where a message stands in one language."""

    WAITING = "waiting"
    """Screening has yet to let go what was written, or it was withheld."""
    WANTED = "wanted"
    TRANSLATED = "translated"
    ORIGINAL = "original"
    """It is sent as it was written, for good."""


TOO_LATE, REFUSED, NOT_SET_UP = "TOO_LATE", "REFUSED", "NOT_SET_UP"
WHY_NO_BODY: Final = "It went out as it was written: Amazon Translate had not translated its text by then."
WHY_ORIGINAL: Final[Mapping[str, str]] = {
    TOO_LATE: "It went out as it was written: Amazon Translate did not answer in time.",
    REFUSED: "It went out as it was written: Amazon Translate does not translate it into this language.",
    NOT_SET_UP: "It went out as it was written: translation is not set up.",
}


@lru_cache(2_000)
def code_of(tag: str) -> str:
    """Return Amazon Translate's code for a BCP 47 tag; empty for a language that it does not know."""
    parts = tag.lower().replace("_", "-").split("-")
    for length in range(len(parts), 0, -1):
        if code := _BY_TAG.get("-".join(parts[:length])):
            return code
    return ""


@lru_cache(2_000)
def target(tag: str, source: str) -> str:
    """Return into which language what was written in `source` goes for whom prefers `tag`; empty: it stays."""
    wanted, written = code_of(tag), code_of(source)
    is_other_script = {wanted, written} == {"zh", "zh-TW"}
    is_same = wanted.partition("-")[0] == written.partition("-")[0] and not is_other_script
    return "" if not written or not wanted or is_same else wanted


@lru_cache(2_000)
def canonical(tag: str, source: str) -> str:
    """Return a recipient's language as it is kept: Amazon's code where it is told in it, else the tag."""
    return target(tag, source) or tag


def told_in(channel: Channel, tag: str, source: str) -> str:
    """Return into which language a channel goes for whom prefers `tag`; a recording, or what no voice reads, stays."""
    wanted = "" if channel is Channel.RECORDED else target(tag, source)
    return "" if channel is Channel.TTS and not is_spoken(wanted) else wanted


def deadline(now: datetime, message: Message, entries: Sequence[Entry]) -> datetime:
    """Return when a message stops waiting for its translations and goes out as it was written.

    Never later than a quarter of its life, so that what arrives late still arrives.
    """
    start = max(now, message.send_at)
    life = min(each.expires_at for each in entries) - start
    wait = _EMERGENCY_WAIT if message.is_emergency else _HELD_WAIT if message.is_held else _WAIT
    return start + max(timedelta(), min(wait, life / _SHARE_OF_LIFE))


def texts_of(message: Message, entries: Sequence[Entry], survey: Survey | None) -> list[str]:
    """Return what is translated of a message, each text once; questions and options of a poll or sign-up by themselves.

    `whole` puts these together again, so that the page on which one answers says what the e-mail says. The body is
    among them where a channel, an inbox or that page shows it, and where it is screened; else nobody waits for it.
    """
    spoken = [each for each in entries if each.channel is not Channel.RECORDED]
    own = [unsaid(each.text, survey) if survey and each.survey_id else each.text for each in spoken]
    is_shown = message.is_held or survey is not None or any(each.channel in MAILED for each in spoken)
    every = [message.subject, message.body if is_shown else "", *own, *(surveys.texts_of(survey) if survey else ())]
    return [text for text in dict.fromkeys(every) if text.strip()]


def whole(texts: Mapping[str, str], entries: Sequence[Entry], survey: Survey | None) -> dict[str, str]:
    """Return translations by their originals, with those of the entries that ask."""
    asking = [each for each in entries if survey and each.survey_id]
    if not survey or not asking:
        return dict(texts)
    told = surveys.reworded(survey, lambda text: texts.get(text, text))
    own = {each.text: unsaid(each.text, survey) for each in asking}
    joined = {text: said(asking[0].channel, texts.get(above, above), told) for text, above in own.items()}
    return {**texts, **joined}


def digest(text: str) -> bytes:
    """Return what a text is found by; PostgreSQL computes the same: sha256(convert_to(text, 'UTF8'))."""
    return hashlib.sha256(text.encode()).digest()


def cut(text: str, longest: int) -> str:
    """Return the text, cut at a channel's limit: translations may be longer than what was written."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


@dataclass(frozen=True)
class Wording:
    """A message's texts in one language, as they were sent."""

    by_digest: Mapping[bytes, str] = field(default_factory=dict)
    since: Mapping[bytes, str] = field(default_factory=dict)
    """The resend with which a text came that was not there at first."""

    def told_by(self, entry_id: str) -> "Wording":
        """Return what an entry says of them: entries before that resend went out as it was written."""
        later = {key for key, first in self.since.items() if first > entry_id}
        return Wording({key: text for key, text in self.by_digest.items() if key not in later}) if later else self

    def has(self, text: str) -> bool:
        """Tell whether one of its texts was translated, or says nothing."""
        return not text.strip() or digest(text) in self.by_digest

    def of(self, text: str) -> str:
        """Return the translation of one of its texts; the text itself when there is none."""
        return self.by_digest.get(digest(text), text) if self.by_digest else text


def has_placeholders(text: str) -> bool:
    """Tell whether something is put into a text when it is sent."""
    return _PLACEHOLDER.search(text) is not None


def pieces(text: str) -> list[str]:
    """Return a text in pieces that Amazon Translate takes, cut between lines, sentences or words; joined they are it.

    What has placeholders comes line by line, since it travels as HTML, in which lines run together.
    """
    if not has_placeholders(text):
        return list(_packed(text, MOST_BYTES, 0))
    lines = [each for each in _BORDERS[0].split(text) if each]
    return [piece for line in lines for piece in _packed(line, _MOST_GUARDED_BYTES, 1)]


def _packed(text: str, limit: int, border: int) -> Iterator[str]:
    """Yield parts of at most `limit` bytes, each as long as can be, cut at this border or a worse one."""
    if len(text.encode()) <= limit:
        yield text
        return
    held = ""
    for part in _BORDERS[border].split(text):
        if len(f"{held}{part}".encode()) <= limit:
            held += part
            continue
        if held:
            yield held
        held = part
        if len(part.encode()) > limit:
            *whole, held = _packed(part, limit, border + 1)
            yield from whole
    if held:
        yield held


def guarded(text: str) -> str:
    """Return a text as HTML in which placeholders are marked as not to be translated."""
    escaped = html.escape(text, quote=False)
    return _PLACEHOLDER.sub(lambda found: f'<span translate="no">{found[0]}</span>', escaped)


def unguarded(translation: str) -> str:
    """Return the text of such HTML."""
    return html.unescape(_GUARDED.sub(r"\1", translation))


def keeps_placeholders(text: str, translation: str) -> bool:
    """Tell whether a translation has the placeholders of its text, each as often."""
    return Counter(_PLACEHOLDER.findall(text)) == Counter(_PLACEHOLDER.findall(translation))
