"""Contact standing: what an address or number is written to of, why not, and who changed that (statements 306, 311)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from werkzeug.wrappers import Response

from protos.queue.v1 import contacts_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.problems import wrong_fields
from services.gateway.state import gateway
from services.gateway.words import TYPES
from services.kit.errors import InvalidArgument, ServiceError
from services.kit.rpc_errors import translated

blueprint = Blueprint("contacts", __name__)
PATH = "/contact-standing"


@dataclass
class Page:
    """What the page shows beside the brake."""

    query: str = ""
    answer: pb.GetContactStandingResponse | None = None
    problem: InvalidArgument | None = None
    """Why the query cannot be answered."""
    wrong_reason: str = ""
    """What is wrong with the reason of a release."""
    reason: str = ""
    wrong: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with a change of consent, by pointer."""
    consent_reason: str = ""
    wrong_exemption: str = ""
    """What is wrong with the reason of a change of what emergencies may."""
    chosen: frozenset[int] | None = None
    """Types that were ticked in a change that is wrong."""

    def shown(self, number: int) -> bool:
        """Tell whether messages of this type are wanted as it stands."""
        return all(number not in each.types for each in self.answer.stops) if self.answer else True

    def wants(self, number: int) -> bool:
        """Tell whether this type is ticked."""
        return self.shown(number) if self.chosen is None else number in self.chosen

    @property
    def stopped_by_owner(self) -> bool:
        """Whether the owner wants no messages of any type."""
        return any(each.is_everything for each in self.answer.stops) if self.answer else False


@blueprint.get(PATH)
@requires(Permission.MANAGE_DIRECTORY)
def show() -> str | tuple[str, int]:
    """Show how the address or number that was asked for stands, and whether e-mail is held back."""
    query = request.args.get("q", "").strip()[:254]
    if not query:
        return _drawn(Page())
    try:
        with translated():
            answer = gateway().clients.contacts.GetContactStanding(pb.GetContactStandingRequest(destination=query))
    except InvalidArgument as problem:
        return _drawn(Page(query, problem=problem)), 400
    return _drawn(Page(query, answer))


@blueprint.post(f"{PATH}/consent")
@requires(Permission.MANAGE_DIRECTORY)
def set_consent() -> Response | tuple[str, int]:
    """Stop and start types of messages, as somebody asked: what was ticked or unticked since the page was made."""
    destination = request.form.get("destination", "")[:254]
    before, after = (
        frozenset(each for each in TYPES if str(each) in request.form.getlist(name)) for name in ("before", "wanted")
    )
    wanted = pb.SetConsentRequest(
        channel=types.CHANNEL_EMAIL if "@" in destination else types.CHANNEL_SMS,
        destination=destination,
        stop=sorted(before - after),
        start=sorted(after - before),
        reason=request.form.get("reason", "")[:1000],
    )
    try:
        with translated():
            gateway().clients.contacts.SetConsent(wanted)
    except InvalidArgument as problem:
        with translated():
            answer = gateway().clients.contacts.GetContactStanding(
                pb.GetContactStandingRequest(destination=destination)
            )
        wrong = wrong_fields(problem)
        page = Page(destination, answer, wrong=wrong, consent_reason=wanted.reason, chosen=after)
        return _drawn(page), 400
    return redirect(f"{PATH}?{urlencode({'q': destination})}", 303)


def _drawn(page: Page) -> str:
    with translated():
        answer = gateway().clients.contacts.GetEmergencyExemption(pb.GetEmergencyExemptionRequest())
    return render_template("contact_standing.html", page=page, brake=mail_brake(), exemptions=answer.changes)


@blueprint.post(f"{PATH}/emergencies")
@requires(Permission.MANAGE_DIRECTORY)
def set_exemption() -> Response | tuple[str, int]:
    """Let emergencies reach those who opted out, or not any more."""
    reason = request.form.get("reason", "")[:1000]
    wanted = pb.SetEmergencyExemptionRequest(is_on=request.form.get("step") == "on", reason=reason)
    try:
        with translated():
            gateway().clients.contacts.SetEmergencyExemption(wanted)
    except InvalidArgument as problem:
        return _drawn(Page(reason=reason, wrong_exemption=problem.violations[0].detail)), 400
    return redirect(PATH, 303)


def mail_brake() -> pb.GetMailBrakeResponse:
    """Return whether ordinary e-mail is held back; that it is not, when queue does not answer in time."""
    try:
        with translated():
            answer = gateway().clients.contacts.GetMailBrake(pb.GetMailBrakeRequest(), timeout=2)
    except ServiceError:
        return pb.GetMailBrakeResponse()
    found: pb.GetMailBrakeResponse = answer
    return found


@blueprint.post(f"{PATH}/mail")
@requires(Permission.MANAGE_DIRECTORY)
def release() -> Response | tuple[str, int]:
    """Let e-mail go again."""
    reason = request.form.get("reason", "")[:1000]
    try:
        with translated():
            gateway().clients.contacts.ReleaseMailBrake(pb.ReleaseMailBrakeRequest(reason=reason))
    except InvalidArgument as problem:
        return _drawn(Page(reason=reason, wrong_reason=problem.violations[0].detail)), 400
    return redirect(PATH, 303)


@blueprint.post(f"{PATH}/lift")
@requires(Permission.MANAGE_DIRECTORY)
def lift() -> Response:
    """Write to a suppressed destination again."""
    destination = request.form.get("destination", "")[:254]
    wanted = pb.LiftSuppressionRequest(destinations=[destination])
    with translated():
        gateway().clients.contacts.LiftSuppression(wanted)
    return redirect(f"{PATH}?{urlencode({'q': destination})}", 303)
