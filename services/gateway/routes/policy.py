"""The screening policy: what is in force, what a change would have done, its versions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.moderation.v1 import moderation_pb2 as pb
from protos.queue.v1 import queue_pb2 as queue
from protos.reports.v1 import reports_pb2 as reports
from services.gateway import grades, policies
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.keeping import draws_again, keeps_form
from services.gateway.pages import school_titles, schools, visible_schools
from services.gateway.policies import Form
from services.gateway.problems import SHOWN, STATUS, shown
from services.gateway.routes import history, threats
from services.gateway.state import gateway, person
from services.gateway.trying import TRY_SECONDS, try_policy
from services.kit.errors import Aborted, InvalidArgument, NotFound, PermissionDenied, ServiceError
from services.kit.ids import new_id
from services.kit.rpc_errors import translated

blueprint = Blueprint("policy", __name__)
PATH = "/policy"
_LARGEST_VERSION = 2**31 - 1


@dataclass
class Asked:
    """A period to judge again as it was filled in: ISO days of the district, both included."""

    key: str
    first: str = ""
    last: str = ""
    reason: str = ""

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "Asked":
        """Return what the form says."""
        return cls(*(form.get(name, "")[:1000] for name in ("key", "first", "last", "reason")))

    def message(self) -> queue.Rescreening:
        """Return the period for queue. InvalidArgument when a day cannot be read."""
        try:
            first, last = date.fromisoformat(self.first), date.fromisoformat(self.last)
        except ValueError:
            first = last = date.min
        # Outside of these years a day begins or ends beyond what a time can be, in some zone.
        if not (1900 <= first.year <= 9998 and 1900 <= last.year <= 9997):
            raise InvalidArgument("RESCREENING_INVALID", "Name the first and the last day.")
        after = last + timedelta(days=1)
        message = queue.Rescreening(rescreening_id=self.key, reason=self.reason)
        message.since.FromDatetime(datetime.combine(first, time.min, gateway().zone))
        message.before.FromDatetime(datetime.combine(after, time.min, gateway().zone))
        return message


@dataclass
class Tried:
    """What the page shows of a try: the counts, the change in words, and the examples that this person may see."""

    answer: pb.TryPolicyResponse
    changes: list[str] = field(default_factory=list)
    examples: list[tuple[pb.PolicyExample, reports.EntryRow]] = field(default_factory=list)


@blueprint.get(PATH)
@requires(Permission.MANAGE_POLICY)
def show() -> str:
    """Show the policy in force, with what it did in the last 30 days."""
    policy = _policy()
    return _page(policies.form_of(policy, person().visible_schools), now=_try(policy), is_unsent=False)


def _read_form(base: pb.Policy) -> Form:
    known = {grade for school in schools() for grade in school.grades}
    return policies.read_form(request.form, base, person().visible_schools, known)


def _draw_again(problem: ServiceError) -> str:
    form = _read_form(_policy(request.form.get("version", 0, int)))
    return _page(form, problem=problem, note=request.form.get("note", ""))


@blueprint.post(PATH)
@requires(Permission.MANAGE_POLICY)
@draws_again(_draw_again)
@keeps_form
def change() -> Response | str | tuple[str, int]:
    """Add an exception to the form, show what the change would have done, save it once that was shown, or drop it."""
    step = request.form.get("step", "try")
    if step == "discard":
        return redirect(PATH, 303)
    base = _policy(request.form.get("version", 0, int))
    form = _read_form(base)
    if step == "exception":
        form.policy.overrides.add(school_id="" if person().is_district_wide else _first_school())
        form.wrong.clear()
        return _page(form, note=request.form.get("note", ""))
    if form.wrong:
        return _page(form, note=request.form.get("note", "")), 400
    try:
        _check_is_newest(base)
        if step == "save" and request.form.get("tried") == form.digest:
            _save(form)
            return redirect(PATH, 303)
        tried: Tried | None = _tried(form, base)
    except (InvalidArgument, Aborted) as problem:
        policies.refused(form, problem)
        tried = _tried(form, base) if "note" in form.wrong else None
        status = 400 if isinstance(problem, InvalidArgument) else 409
        return _page(form, tried=tried, problem=problem, note=request.form.get("note", "")), status
    return _page(form, tried=tried, note=request.form.get("note", ""), was_changed=step == "save")


@blueprint.get(f"{PATH}/versions")
@requires(Permission.MANAGE_POLICY)
def older() -> str:
    """List the versions before one; the newest when none is named."""
    before = min(max(request.args.get("before", 0, int), 0), _LARGEST_VERSION)
    return render_template("policy_versions.html", versions=_versions(before))


@blueprint.get(f"{PATH}/versions/<int:version>")
@requires(Permission.MANAGE_POLICY)
def version(version: int) -> str:
    """Show a version as it was, and what it changed."""
    policy = _policy(version)
    seen = person().visible_schools
    before = _policy(version - 1) if version > 1 else policy
    shown, earlier = policies.form_of(policy, seen).policy, policies.form_of(before, seen).policy
    return render_template(
        "policy_version.html",
        policy=shown,
        changes=policies.changes(earlier, shown, school_titles()),
        titles=school_titles(),
    )


@blueprint.post(f"{PATH}/rescreenings")
@requires(Permission.MANAGE_POLICY)
@draws_again(lambda problem: _period_again(Asked.read(request.form), problem))
@keeps_form
def judge_again() -> Response | tuple[str, int]:
    """Begin to judge again what was delivered on some days."""
    asked = Asked.read(request.form)
    try:
        wanted = asked.message()
        with translated():
            gateway().clients.queue.RescreenMessages(queue.RescreenMessagesRequest(rescreening=wanted))
    except (*SHOWN, PermissionDenied) as problem:
        return _period_again(asked, shown(problem)), STATUS[type(problem)]
    return redirect(f"{PATH}#again", 303)


def _period_again(asked: Asked, problem: ServiceError) -> str:
    policy = _policy()
    form = policies.form_of(policy, person().visible_schools)
    return _page(form, now=_try(policy), problem=problem, asked=asked, is_unsent=False)


def _rescreenings() -> list[queue.Rescreening]:
    """Return the latest periods; none for who does not see the whole district, or when queue does not answer."""
    if not person().is_district_wide:
        return []
    try:
        with translated():
            found = gateway().clients.queue.ListRescreenings(queue.ListRescreeningsRequest(), timeout=2)
    except ServiceError:
        return []
    return list(found.rescreenings)


def _days(asked: queue.Rescreening) -> tuple[str, str]:
    """Return the first and the last day of a period, ISO days of the district; it ends where the last day does."""
    ends = asked.before.ToDatetime(UTC) - timedelta(microseconds=1)
    first, last = (each.astimezone(gateway().zone).date() for each in (asked.since.ToDatetime(UTC), ends))
    return first.isoformat(), last.isoformat()


def _policy(number: int = 0) -> pb.Policy:
    if number > _LARGEST_VERSION:
        raise NotFound("POLICY_UNKNOWN", "There is no such version of the policy.")
    with translated():
        answer = gateway().clients.moderation.GetPolicy(pb.GetPolicyRequest(version=number))
    policy: pb.Policy = answer.policy
    return policy


def _check_is_newest(base: pb.Policy) -> None:
    """Raise Aborted for a form of an earlier version: moderation compares with the policy that is in force."""
    if base.version != _policy().version:
        raise Aborted("POLICY_CHANGED", "Somebody else changed the policy meanwhile. Read it again.")


def _versions(before: int = 0) -> Sequence[pb.Policy]:
    """Return the newest versions of those before one; 0 means of all."""
    with translated():
        answer = gateway().clients.moderation.ListPolicyVersions(pb.ListPolicyVersionsRequest(before=before))
    versions: Sequence[pb.Policy] = answer.versions
    return versions


def _save(form: Form) -> None:
    wanted = pb.UpdatePolicyRequest(policy=form.whole(), note=request.form.get("note", ""))
    with translated():
        gateway().clients.moderation.UpdatePolicy(wanted)


def _try(policy: pb.Policy) -> pb.PreviewPolicyResponse | None:
    """Return what the policy would have done; None when that takes too long, since the page must not fail for it."""
    try:
        with translated():
            wanted = pb.PreviewPolicyRequest(policy=policy)
            answer: pb.PreviewPolicyResponse = gateway().clients.moderation.PreviewPolicy(wanted, timeout=TRY_SECONDS)
    except InvalidArgument:
        raise
    except ServiceError:
        return None
    return answer


def _tried(form: Form, base: pb.Policy) -> Tried:
    answer = try_policy(base, form.whole())
    shown = policies.form_of(base, person().visible_schools).policy
    return Tried(answer, policies.changes(shown, form.policy, school_titles()), list(_examples(answer.preview)))


def _examples(preview: pb.PreviewPolicyResponse) -> Iterator[tuple[pb.PolicyExample, reports.EntryRow]]:
    """Yield those examples that reports shows this person; the reading of threats is logged there."""
    message_ids = [each.message_id for each in preview.examples]
    rows: dict[str, reports.EntryRow] = {}
    if person().may(Permission.VIEW_ALL_USERS) and person().may(Permission.COMMUNICATION_REPORTS):
        rows |= {key: row for key, row in history.by_message(message_ids).items() if not row.is_withheld}
    if person().may(Permission.THREAT_ALERTS):
        rows |= threats.by_message(message_ids)
    return ((each, rows[each.message_id]) for each in preview.examples if each.message_id in rows)


def _page(
    form: Form,
    *,
    now: pb.PreviewPolicyResponse | None = None,
    tried: Tried | None = None,
    problem: ServiceError | None = None,
    note: str = "",
    was_changed: bool = False,
    asked: Asked | None = None,
    is_unsent: bool = True,
) -> str:
    with translated():
        backlog = gateway().clients.moderation.GetBacklog(pb.GetBacklogRequest())
    return render_template(
        "policy.html",
        form=form,
        now=now or (tried.answer.preview if tried else None),
        tried=tried,
        problem=problem,
        note=note,
        was_changed=was_changed,
        versions=_versions(),
        backlog=backlog,
        rescreenings=[(each, *_days(each)) for each in _rescreenings()],
        asked=asked or Asked(new_id()),
        is_unsent=is_unsent,
        schools=visible_schools(person()),
        is_district=person().is_district_wide,
        merged_rules=policies.merged_rules,
        grades_in_words=grades.in_words,
    )


def _first_school() -> str:
    return next((each.school_id for each in visible_schools(person())), "")
