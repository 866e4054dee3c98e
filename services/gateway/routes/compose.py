"""The composer: write, preview, send. Students and parents choose members of staff and write."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import Blueprint, redirect, render_template, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Response

from protos.directory.v1 import directory_pb2 as directory
from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway import addressing, audio, choosing, composing, languages, scheduling, store
from services.gateway.access import Permission, Person
from services.gateway.asking import check_may_ask, edit
from services.gateway.auth import requires, signed_in_person
from services.gateway.composing import OFFERED
from services.gateway.database import transaction
from services.gateway.draft_forms import read_draft
from services.gateway.drafts import Draft
from services.gateway.keeping import draws_again
from services.gateway.limits import BODY_BYTES
from services.gateway.lists import read_list
from services.gateway.pages import schools, visible_schools, working_school
from services.gateway.problems import on_service_error, retry_after, wrong_fields
from services.gateway.routes import contacts
from services.gateway.state import gateway, person
from services.gateway.words import CHANNELS
from services.kit.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    ServiceError,
    Unauthenticated,
    Unavailable,
)
from services.kit.ids import new_id

blueprint = Blueprint("compose", __name__)
_ASKED_DAYS = 7
"""Until when a poll or a sign-up takes answers, unless something else is chosen."""
_SENT_ALREADY = (
    "A message went out from this form before. What it says now is another message: look at it, then send it."
)
_SCHEDULED_ALREADY = (
    "A message from this form is scheduled already, and stays so. What it says now is another message, beside that one:"
    " look at it, then send or schedule it."
)
_NO_ANSWER = (
    "The system does not answer at the moment. What you wrote is kept on this page: try again soon. However often it is"
    " sent from here, it goes out once."
)
_FILE_WITHOUT_SESSION = "Sign in to go on. The form had a file with it, and was too large to be kept."
_SENDERS = (Permission.SEND_MESSAGES, Permission.SEND_TO_STAFF)


@blueprint.get("/compose")
@requires(*_SENDERS)
def compose() -> str:
    """Show an empty composer, or an answer to a message."""
    draft = _new_draft()
    draft.subject = request.args.get("subject", "")[:200]
    draft.when.start_date, draft.asking.close_date = in_days(1), in_days(_ASKED_DAYS)
    draft.person_ids = [each for each in [request.args.get("to", "")[:36]] if each]
    draft.audience = "people" if draft.person_ids else "directory"
    draft.in_reply_to = request.args.get("reply", "")[:36]
    draft.roles, draft.channels = ["parent"], {OFFERED[0]: ""}
    # Staff write in the district's language, whatever is spoken at their home.
    draft.language = "en" if person().is_staff else languages.known(person().language)
    return page(draft)


def _new_draft() -> Draft:
    # It stays of the school in which it was begun, whichever one is chosen in another tab before it goes.
    return Draft(key=new_id(), from_school_id=person().working_school_id)


def _draw_again(problem: ServiceError) -> str:
    return page(read_draft(request.form, person()), problem=problem)


@blueprint.post("/compose")
@requires(*_SENDERS)
@draws_again(_draw_again)
def send() -> str | Response | tuple[str, int] | tuple[str, int, dict[str, str]]:
    """Preview a draft, send it, or keep it to be sent later."""
    draft = read_draft(request.form, person())
    try:
        return _go_on(draft, scheduling.writer(person(), draft.from_school_id))
    except AlreadyExists as earlier:
        # Somebody went back to the form of a message that is out, or scheduled, and wrote another.
        draft.key = new_id()
        text = _SCHEDULED_ALREADY if "schedule_id" in earlier.metadata else _SENT_ALREADY
        return page(draft, problem=AlreadyExists("SENT_ALREADY", text, metadata=earlier.metadata)), 409
    except (Unavailable, DeadlineExceeded) as away:
        # Whether it was taken is not known; the form keeps its key, so that sending it again is safe.
        return page(draft, problem=Unavailable(away.reason, _NO_ANSWER)), 503
    except RequestEntityTooLarge:
        return page(draft, problem=_too_large()), 413
    except PermissionDenied as problem:
        return page(draft, problem=problem), 403
    except ResourceExhausted as problem:
        return page(draft, problem=problem), 429, retry_after(problem)
    except (InvalidArgument, FailedPrecondition, NotFound, Aborted) as problem:
        return page(draft, problem=problem), 400 if isinstance(problem, InvalidArgument) else 409


def _go_on(draft: Draft, someone: Person) -> str | Response:
    """Do what the form asks for; staff look at a draft before it goes. The services' errors rise."""
    _refuse_attachments(someone)
    _keep_uploads(draft, someone)
    if "edit" in request.form:
        edit(draft.asking, request.form["edit"])
        return page(draft)
    composing.check(draft, someone)
    is_sending = request.form.get("step") == "send"
    is_changed = request.form.get("previewed", draft.stamp) != draft.stamp
    if someone.is_staff and (is_changed or not is_sending):
        return _preview(draft, someone, is_changed=is_changed and is_sending)
    if draft.when.is_later:
        return redirect(f"/schedules/{scheduling.keep(draft, someone).schedule_id}", 303)
    answer = composing.submit(draft, someone)
    return render_template("sent.html", answer=answer, draft=draft, summary=addressing.summary(draft, someone))


@blueprint.post("/compose/survey")
@requires(*_SENDERS)
@draws_again(_draw_again)
def edit_survey() -> str:
    """Show the editor of a poll or a sign-up again, with a question or an option more or less."""
    check_may_ask(person())
    draft = read_draft(request.form, person())
    edit(draft.asking, request.form.get("edit", ""))
    return render_template("survey_editor.html", draft=draft)


def in_days(days: int) -> str:
    """Return the date so many days from now in the district's zone."""
    return (gateway().clock().astimezone(gateway().zone) + timedelta(days=days)).date().isoformat()


def _preview(draft: Draft, someone: Person, *, is_changed: bool = False) -> str:
    """Show whom the draft reaches, and when it goes out; `is_changed` since it was shown before."""
    upcoming: list[datetime] = []
    if draft.when.is_later:
        scheduling.check(draft)
        upcoming = scheduling.upcoming(draft.when)
        scheduling.check_expiring(draft, upcoming[0])
    sending = composing.preview_sending(draft, someone, upcoming[0] if upcoming else None)
    is_held_back = not upcoming and not draft.is_emergency and contacts.mail_brake().is_held_back
    return page(
        draft,
        preview=addressing.preview(draft, someone),
        sending=sending,
        upcoming=upcoming,
        is_mail_held_back=is_held_back,
        is_changed=is_changed,
    )


def _refuse_attachments(someone: Person) -> None:
    """Raise InvalidArgument for a file that a student or a parent sends along: nothing unscreened leaves (163)."""
    if not someone.is_staff and any(each.filename for each in request.files.values()):
        text = "A message carries no files. Leave the file out, or write what it says into the message."
        raise InvalidArgument("ATTACHMENT_REFUSED", text, violations=[("/attachment", text)])


def _keep_uploads(draft: Draft, someone: Person) -> None:
    """Keep what came with the form; a file that is refused does not cost the other one."""
    try:
        _keep_recording(draft, someone)
    finally:
        _keep_list(draft, someone)


def _keep_list(draft: Draft, someone: Person) -> None:
    """Keep a list until its message is sent."""
    upload = request.files.get("list")
    if draft.audience != "list" or upload is None or not upload.filename:
        return
    content = upload.read(BODY_BYTES + 1)
    if len(content) > BODY_BYTES:
        raise RequestEntityTooLarge
    entries, problems = read_list(content)
    if not entries:
        text = "No row of the list can be used."
        raise InvalidArgument("LIST_EMPTY", text, violations=[("/list", text), *_lines(problems)])
    found = store.RecipientList(new_id(), upload.filename[:255], entries, problems)
    with transaction(gateway().engine) as connection:
        store.add_list(connection, someone.person_id, found, gateway().clock())
    draft.list_id = found.list_id


def _keep_recording(draft: Draft, someone: Person) -> None:
    """Keep a recording: whoever uploads one wants it played."""
    upload = request.files.get("recording")
    if someone.is_staff and upload is not None and upload.filename:
        draft.channels.setdefault(types.CHANNEL_RECORDED, "")
        draft.recording_id = audio.add(audio.pieces_of(upload.stream)).recording_id


def _lines(problems: list[dict[str, object]]) -> list[tuple[str, str]]:
    return [(f"/list/{each['line']}", f"Line {each['line']}: {each['detail']}") for each in problems[:100]]


def page(
    draft: Draft,
    *,
    preview: directory.PreviewAudienceResponse | None = None,
    sending: Sequence[queue.ChannelPreview] = (),
    upcoming: Sequence[datetime] = (),
    is_mail_held_back: bool = False,
    is_changed: bool = False,
    problem: ServiceError | None = None,
) -> str:
    """Show the composer with a draft."""
    someone = scheduling.writer(person(), draft.from_school_id)
    found = _list_of(draft, someone)
    offered, kept = set(composing.offered_to(someone)), set(composing.kept_by(draft, someone))
    named = {*draft.grades, *draft.spare.grades}
    grades = sorted(named.union(*(each.grades for each in schools())), key=_grade_order)
    return render_template(
        "compose.html" if someone.is_staff else "write.html",
        draft=draft,
        preview=preview,
        upcoming=upcoming,
        sending=sending,
        is_mail_held_back=is_mail_held_back,
        is_changed=is_changed,
        problem=problem,
        wrong=wrong_fields(problem),
        uploaded=found,
        boxes=choosing.choices(
            someone, "", draft.person_ids + draft.spare.person_ids, draft.student_ids + draft.spare.student_ids
        ),
        choosing=choosing,
        school=working_school(someone),
        schools=visible_schools(someone),
        grades=grades,
        offered=[(CHANNELS[each], each, composing.limit_of(each, draft)) for each in OFFERED if each in offered | kept],
        kept=kept,
        recording=audio.open_draft(draft.recording_id),
    )


def _list_of(draft: Draft, someone: Person) -> store.RecipientList | None:
    list_id = draft.list_id or draft.spare.list_id
    try:
        return addressing.find_list(list_id, someone) if list_id else None
    except NotFound:
        return None


def _grade_order(grade: str) -> tuple[int, str]:
    return (int(grade), "") if grade.isdecimal() else (0, grade)


@blueprint.errorhandler(RequestEntityTooLarge)
def too_large(_error: RequestEntityTooLarge) -> Response | tuple[str, int]:
    """Show the composer's own words for a form that is larger than what is read, and so was not read."""
    if signed_in_person() is None:
        return on_service_error(Unauthenticated("SIGN_IN_NEEDED", _FILE_WITHOUT_SESSION))
    return page(_new_draft(), problem=_too_large()), 413


def _too_large() -> InvalidArgument:
    wrong = [("/list", "A list takes 1 MB."), ("/recording", "A recording takes 10 MB.")]
    text = "The upload is too large: a list takes 1 MB, a recording 10 MB."
    return InvalidArgument("BODY_TOO_LARGE", text, violations=wrong)
