"""Drafts as the composer's form posts them, chosen or not: a form gives back all that was filled in."""

from werkzeug.datastructures import MultiDict

from protos.types.v1 import types_pb2 as types
from services.gateway import addressing, choosing
from services.gateway.access import Person
from services.gateway.asking import read_asking
from services.gateway.composing import OFFERED
from services.gateway.drafts import AUDIENCES, Draft
from services.gateway.recurring import read_when
from services.gateway.words import CHANNELS
from services.kit.ids import new_id

Form = MultiDict[str, str]


def read_draft(form: Form, someone: Person) -> Draft:
    """Return the draft of a form."""
    draft = Draft(key=form.get("key", "")[:200] or new_id())
    draft.subject, draft.body = form.get("subject", ""), _text(form, "body")
    draft.in_reply_to = form.get("in_reply_to", "")[:36]
    draft.from_school_id = form.get("from_school", "")[:36]
    draft.language = form.get("language", "en")[:35]
    draft.asking = read_asking(form)
    if not someone.is_staff:
        draft.person_ids = _ids(form, "person")
        draft.channels = {draft.asking.channel or OFFERED[0]: ""}
        return draft
    draft.recording_id = form.get("recording_id", "")[:36]
    _read_texts(draft, form)
    _read_audience(draft, form)
    draft.is_district = form.get("source") == "district"
    draft.is_secure, draft.is_emergency = form.get("secure") == "1", form.get("emergency") == "1"
    draft.once_per_family = form.get("once_per_family") == "1"
    draft.is_translated = form.get("translated") == "1" if someone.has_translation else None
    draft.no_use_after, draft.when = form.get("no_use_after", "")[:16], read_when(form)
    return draft


def _read_texts(draft: Draft, form: Form) -> None:
    """Read the ticked ways with their texts; what is written for others is spare."""
    ticked = form.getlist("channel")
    for channel in OFFERED:
        name = CHANNELS[channel].value
        texts = draft.channels if name in ticked else draft.spare.texts
        texts[channel] = _text(form, f"text_{name}")
    if draft.asking.kind:
        # It is the e-mail, ticked or not, with a link: nobody gets two.
        by_mail = draft.channels.pop(types.CHANNEL_EMAIL, "") or draft.spare.texts.pop(types.CHANNEL_EMAIL, "")
        draft.channels[draft.asking.channel] = by_mail


def _read_audience(draft: Draft, form: Form) -> None:
    """Read whom a member of staff writes to; whom the other audiences name is spare.

    An answer has no choice, and goes to the person who is named.
    """
    person_ids = _ids(form, "person")
    way = form.get("audience", "people" if person_ids else "directory")
    draft.audience = way if way in AUDIENCES else "directory"
    selected, named, listed = (draft if each == draft.audience else draft.spare for each in AUDIENCES)
    selected.school_ids, selected.grades = form.getlist("school")[:500], form.getlist("grade")[:50]
    selected.roles = [name for name in form.getlist("role") if name in addressing.ROLES]
    named.person_ids, named.student_ids = person_ids, _ids(form, "student")
    listed.list_id = form.get("list_id", "")[:36]


def _ids(form: Form, name: str) -> list[str]:
    # One more than a message may name, so that too many are refused and not cut.
    return [each[:36] for each in form.getlist(name) if each][: choosing.MOST + 1]


def _text(form: Form, name: str) -> str:
    return form.get(name, "").replace("\r\n", "\n")
