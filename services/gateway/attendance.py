"""Attendance rules as the form and the pages have them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import request
from werkzeug.datastructures import MultiDict

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import attendance_pb2 as attendance
from protos.types.v1 import types_pb2 as types
from services.gateway import languages, problems
from services.gateway.access import Person
from services.gateway.linking import school_choices
from services.gateway.listing import Listing, Place, read_listing
from services.gateway.pages import school_titles, visible_schools
from services.gateway.searches import whole
from services.gateway.state import gateway
from services.gateway.words import CALL_OUT, CHANNELS, WAYS
from services.kit.errors import InvalidArgument, ServiceError
from services.kit.ids import new_id
from services.kit.rpc_errors import translated

OFFERED = {
    types.CHANNEL_EMAIL: (
        15_000,
        "Dear family,\n\n{student} was marked absent from {school} on {date} ({code}).\n\n"
        "If you did not know of this, or if it is a mistake, please call the school office.",
    ),
    types.CHANNEL_SMS: (1_000, "{school}: {student} was marked absent on {date} ({code}). Questions? Call the office."),
    types.CHANNEL_PUSH: (600, "{student} was marked absent from {school} on {date} ({code})."),
    types.CHANNEL_TTS: (1_000, "This is {school}. {student} was marked absent on {date}. Please call the office."),
}
"""Channels of a rule: the longest text, and the one that a new rule begins with."""
SUBJECT_LIMIT = 120
PLACE = Place("attendance-rules", "", sort=("name", "asc"))
_EXCLUDED, _OFF = " (excluded from communication: tells nobody)", " (switched off: it does not go out)"
_CODES, _SUBJECT = "A, UNX", "Absence from {school} on {date}"


@dataclass
class Form:
    """A rule as it is filled in."""

    key: str
    rule_id: str = ""
    """Empty for a new one."""
    version: int = 0
    name: str = ""
    school_ids: list[str] = field(default_factory=list)
    codes: str = _CODES
    """Separated by commas."""
    subject: str = _SUBJECT
    texts: dict[int, str] = field(default_factory=lambda: {channel: text for channel, (_, text) in OFFERED.items()})
    """Text of every channel, chosen or not."""
    chosen: list[int] = field(default_factory=lambda: [types.CHANNEL_EMAIL])
    send_time: str = "10:30"
    once_per_family: bool = True
    is_district: bool = False
    language: str = "en"
    """In which it is written, one of LANGUAGES."""


def read_form(form: MultiDict[str, str], rule_id: str = "") -> Form:
    """Return what a form says."""
    return Form(
        key=form.get("key", "")[:200] or new_id(),
        rule_id=rule_id,
        version=whole(form.get("version", "")),
        name=form.get("name", ""),
        school_ids=[each[:36] for each in form.getlist("school")],
        codes=form.get("codes", ""),
        subject=form.get("subject", ""),
        texts={channel: form.get(f"text_{CHANNELS[channel].value}", "").replace("\r\n", "\n") for channel in OFFERED},
        chosen=[channel for channel in OFFERED if CHANNELS[channel].value in form.getlist("channel")],
        send_time=form.get("send_time", "")[:5],
        once_per_family=form.get("once_per_family") == "1",
        is_district=form.get("source") == "district",
        language=form.get("language", "en")[:35],
    )


def form_of(rule: attendance.AttendanceRule) -> Form:
    """Return a rule as its form begins."""
    content = rule.content
    form = Form(new_id(), rule.rule_id, rule.version, content.name, list(content.school_ids))
    form.codes, form.subject, form.send_time = ", ".join(content.codes), content.subject, content.send_time
    form.texts |= {each.channel: each.text for each in content.texts}
    form.chosen = [each.channel for each in content.texts]
    form.once_per_family = content.once_per_family
    form.language = languages.known(content.language)
    form.is_district = content.source == types.SOURCE_DISTRICT
    return form


def content_of(form: Form) -> attendance.AttendanceRuleContent:
    """Return what the queue keeps of a form."""
    texts = [attendance.AttendanceText(channel=each, text=form.texts[each]) for each in form.chosen]  # type: ignore[arg-type]
    return attendance.AttendanceRuleContent(
        name=form.name.strip(),
        school_ids=form.school_ids,
        codes=[each.strip() for each in form.codes.split(",") if each.strip()],
        subject=form.subject.strip(),
        texts=texts,
        send_time=form.send_time,
        once_per_family=form.once_per_family,
        source=types.SOURCE_DISTRICT if form.is_district else types.SOURCE_SCHOOL,
        from_title=gateway().settings.district_name if form.is_district else "",
        language=form.language,
    )


def read_list(base: str = "") -> Listing:
    """Return what the address asks of the rules, by name."""
    return read_listing(replace(PLACE, base=base), request.args)


def keep(form: Form) -> attendance.AttendanceRule:
    """Make a rule, or give it another content; our own errors rise."""
    if form.language not in languages.LANGUAGES:
        wrong = [("/language", "Choose one of the languages.")]
        raise InvalidArgument("ATTENDANCE_RULE_INVALID", "The rule is not in order.", violations=wrong)
    stub, content = gateway().clients.attendance, content_of(form)
    with translated():
        if form.rule_id:
            wanted = attendance.UpdateAttendanceRuleRequest(rule_id=form.rule_id, version=form.version, content=content)
            edited: attendance.AttendanceRule = stub.UpdateAttendanceRule(wanted).rule
            return edited
        made: attendance.AttendanceRule = stub.CreateAttendanceRule(
            attendance.CreateAttendanceRuleRequest(idempotency_key=form.key, content=content)
        ).rule
    return made


def get(rule_id: str) -> attendance.GetAttendanceRuleResponse:
    """Return a rule with its runs and changes. NotFound outside of the person's view."""
    with translated():
        wanted = attendance.GetAttendanceRuleRequest(rule_id=rule_id)
        answer: attendance.GetAttendanceRuleResponse = gateway().clients.attendance.GetAttendanceRule(wanted)
    return answer


def listed(listing: Listing) -> attendance.ListAttendanceRulesResponse:
    """Return a page of the rules that the person sees; nothing when it cannot be read."""
    if listing.problems:
        return attendance.ListAttendanceRulesResponse()
    wanted = attendance.ListAttendanceRulesRequest(page=listing.page, sort=listing.sort, rules=listing.rules)
    if listing.concerns("schools"):
        wanted.school_titles.update(school_titles())
    with translated():
        answer: attendance.ListAttendanceRulesResponse = gateway().clients.attendance.ListAttendanceRules(wanted)
    return answer


def switch(rule_id: str, *, is_on: bool) -> None:
    """Switch a rule on or off."""
    with translated():
        wanted = attendance.SwitchAttendanceRuleRequest(rule_id=rule_id, is_on=is_on)
        gateway().clients.attendance.SwitchAttendanceRule(wanted)


def remove(rule_id: str) -> None:
    """Remove a rule."""
    with translated():
        gateway().clients.attendance.RemoveAttendanceRule(attendance.RemoveAttendanceRuleRequest(rule_id=rule_id))


def choices(someone: Person, form: Form) -> dict[str, Any]:
    """Return what the form offers: channels that are switched on, schools that are not excluded (statement 226).

    What the form names already is offered, too: a rule loses nothing because it cannot be had at the moment.
    """
    offered = [
        (channel, CHANNELS[channel].value, f"{WAYS[channel]}{'' if is_on else _OFF}", longest)
        for channel, (longest, _) in OFFERED.items()
        if (is_on := someone.has_call_out or channel not in CALL_OUT) or channel in form.chosen
    ]
    return {"offered": offered, "schools": _offered_schools(someone, form.school_ids)}


def _offered_schools(someone: Person, kept: Sequence[str]) -> list[tuple[str, str]]:
    seen = visible_schools(someone)
    excluded = {each.school_id for each in seen if each.is_excluded}
    return [
        (school_id, f"{title}{_EXCLUDED if school_id in excluded else ''}")
        for school_id, title in school_choices(seen, kept)
        if school_id in kept or school_id not in excluded
    ]


def where(content: attendance.AttendanceRuleContent, every: Sequence[directory.School]) -> str:
    """Return the schools of a rule in words."""
    titles = [each.title for each in every if each.school_id in content.school_ids]
    if not content.school_ids:
        return "Every school"
    shown = ", ".join(titles[:3]) or "Other schools"
    more = len(content.school_ids) - len(titles[:3])
    return f"{shown} and {more} more" if titles and more else shown


def wrong_fields(problem: ServiceError | None) -> dict[str, str]:
    """Return what is wrong by the form's own pointers."""
    wrong = problems.wrong_fields(problem)
    return {pointer.removeprefix("/content"): detail for pointer, detail in wrong.items()}
