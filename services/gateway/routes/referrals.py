"""Referrals: add one for a student's flagged message, read it, list them, delete it (statements 109 to 115, 199)."""

from dataclasses import replace
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from flask import Response as FlaskResponse
from werkzeug.wrappers import Response

from protos.directory.v1 import directory_pb2 as directory
from protos.reports.v1 import reports_pb2 as reports
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.keeping import draws_again
from services.gateway.listing import Listing, Place, read_listing
from services.gateway.pages import safe_return, school_titles
from services.gateway.parameters import Tick
from services.gateway.problems import AWAY, SHOWN, STATUS, shown, wrong_fields
from services.gateway.routes.entries import get_entry
from services.gateway.state import gateway, person
from services.gateway.words import REFERRAL_REASONS
from services.kit.errors import AlreadyExists, FailedPrecondition, NotFound, ServiceError
from services.kit.rpc_errors import translated

blueprint = Blueprint("referrals", __name__)
PATH = "/referrals"
PLACE = Place("referrals", PATH, sort=("date", "desc"))
MINE = Tick("mine", "Those that one follows up oneself.")
_REFERRERS = (Permission.FLAG_MESSAGES, Permission.THREAT_ALERTS)
_REASONS = {choice.value: reason for reason, choice in REFERRAL_REASONS.items()}


def read() -> Listing:
    """Return what the address asks of the referrals, the newest first."""
    own = [(MINE.name, "1" if MINE.is_ticked(request.args) else "")]
    return read_listing(replace(PLACE, own=own), request.args)


def listed(listing: Listing) -> reports.ListReferralsResponse:
    """Return a page of referrals; nothing when it cannot be read."""
    if listing.problems:
        return reports.ListReferralsResponse()
    wanted = reports.ListReferralsRequest(
        page=listing.page, is_mine=_is_mine(listing), sort=listing.sort, rules=listing.rules
    )
    if listing.concerns("school"):
        wanted.school_titles.update(school_titles())
    if listing.concerns("why"):
        wanted.reason_words.update({reason: choice.label for reason, choice in REFERRAL_REASONS.items()})
    with translated():
        answer: reports.ListReferralsResponse = gateway().clients.reports.ListReferrals(wanted)
    return answer


def _is_mine(listing: Listing) -> bool:
    return bool(dict(listing.place.own)["mine"])


def get(referral_id: str) -> reports.GetReferralResponse:
    """Return a referral; the reading is logged. NotFound for whoever may not see its message."""
    with translated():
        wanted = reports.GetReferralRequest(referral_id=referral_id)
        answer: reports.GetReferralResponse = gateway().clients.reports.GetReferral(wanted)
    return answer


def add(message_id: str, reason: str, notes: str, told_ids: list[str]) -> reports.AddReferralResponse:
    """Add a referral, or return the one that is there. InvalidArgument and FailedPrecondition as reports says."""
    known = {each.person_id: each.name for each in _followers(message_id)} if told_ids else {}
    if not set(told_ids) <= known.keys():
        raise FailedPrecondition("FOLLOWER_UNKNOWN", "Somebody who should follow it up may not open it.")
    wanted = reports.AddReferralRequest(
        message_id=message_id,
        reason=_REASONS.get(reason, reports.REFERRAL_REASON_UNSPECIFIED),
        notes=notes,
        told=[reports.StaffName(person_id=each, name=known[each]) for each in told_ids],
    )
    with translated():
        answer: reports.AddReferralResponse = gateway().clients.reports.AddReferral(wanted)
    return answer


def delete(referral_id: str) -> None:
    """Delete a referral."""
    with translated():
        wanted = reports.DeleteReferralRequest(referral_id=referral_id)
        gateway().clients.reports.DeleteReferral(wanted)


def _followers(message_id: str) -> list[directory.Recipient]:
    """Return who may follow up: whoever may open referrals in the message's schools, by name.

    Reports says which schools those are to whoever may refer. Directory is asked in our own name, since who is alerted
    in place of a school's own people sees nobody of it.
    """
    clients = gateway().clients
    with translated():
        asked = reports.ListReferralSchoolsRequest(message_id=message_id)
        concerned = clients.reports.ListReferralSchools(asked).school_ids
    if not concerned:
        return []
    found: dict[str, directory.Recipient] = {}
    for permission in _REFERRERS:
        with translated():
            wanted = directory.ListPermissionHoldersRequest(permission=permission, school_ids=concerned)
            holders = clients.directory.ListPermissionHolders(wanted, metadata=clients.as_gateway).holders
        found |= {each.person_id: each for each in holders}
    return sorted(found.values(), key=lambda each: each.name)


@blueprint.get(PATH)
@requires(*_REFERRERS)
def show() -> str:
    """Show the referrals that the person may see, or those that they follow up."""
    listing = read()
    return render_template(
        "referrals.html",
        answer=listed(listing),
        listing=listing,
        is_mine=_is_mine(listing),
        **showing.for_template("referrals"),
        school_titles=school_titles(),
    )


@blueprint.get(f"{PATH}/excel")
@requires(*_REFERRERS)
def excel() -> FlaskResponse:
    """Send every referral of the list as a workbook, without notes (statements 213, 214)."""
    listing, table = read().strict(), reports.RecordExportRequest.TABLE_REFERRALS
    asked = reports.Filter(rules=listing.rules)
    exports.record(reports.RecordExportRequest(table=table, filter=asked, state="mine" if _is_mine(listing) else ""))

    def page(number: int) -> tuple[list[reports.Referral], int]:
        answer = listed(listing.at(number))
        return list(answer.referrals), answer.page.total_pages

    titles = school_titles()
    columns = showing.columns_of("referrals")
    return exports.workbook("referrals", columns, exports.paged(page), exports.referral_value(titles))


@blueprint.get(f"{PATH}/add")
@requires(*_REFERRERS)
def form() -> str:
    """Show the steps of Add Referral; nothing is created before Save (statement 111)."""
    return _form(request.args.get("entry", ""), request.args.get("message", ""), request.args.get("back", ""))


def _form(entry_id: str, message_id: str, back: str, problem: ServiceError | None = None) -> str:
    row, followers = _what_it_shows(entry_id, message_id, has_text=problem is not None)
    return render_template(
        "referral_add.html",
        row=row,
        message_id=message_id or (row.message_id if row else ""),
        entry_id=entry_id,
        back=safe_return(back, "/reports/history" if entry_id else "/reports/threats"),
        followers=followers,
        chosen=request.form,
        problem=problem and shown(problem),
        wrong=wrong_fields(problem),
    )


def _what_it_shows(
    entry_id: str, message_id: str, *, has_text: bool
) -> tuple[reports.EntryRow | None, list[directory.Recipient] | None]:
    """Return for which row the form is, and who may follow up; nothing where it cannot be had and a text is kept."""
    try:
        row = _row(entry_id, message_id)
        return row, _followers(row.message_id)
    except AWAY:
        if not has_text:
            raise
        return None, None


def _row(entry_id: str, message_id: str) -> reports.EntryRow:
    """Return the row that a referral is for, as History shows it, or as Threat Messages does."""
    if entry_id and person().may(Permission.COMMUNICATION_REPORTS):
        return get_entry(entry_id).row
    wanted = reports.SearchThreatsRequest(filter=reports.Filter(message_ids=[message_id]))
    with translated():
        answer: reports.SearchThreatsResponse = gateway().clients.reports.SearchThreats(wanted)
    if not answer.rows:
        raise NotFound("MESSAGE_NOT_FOUND", "There is no such message.")
    return answer.rows[0]


def _draw_again(problem: ServiceError) -> str:
    given = request.form
    return _form(given.get("entry", ""), given.get("message", ""), given.get("back", ""), problem)


@blueprint.post(PATH)
@requires(*_REFERRERS)
@draws_again(_draw_again)
def save() -> Response | tuple[str, int]:
    """Add the referral, and lead back to where it was added; who comes second with other words keeps them."""
    given = request.form
    try:
        answer = add(given.get("message", ""), given.get("reason", ""), given.get("notes", ""), given.getlist("told"))
    except SHOWN as problem:
        return _draw_again(problem), STATUS[type(problem)]
    if answer.is_repeat and not _says(answer.referral):
        return _draw_again(_exists(answer.referral)), 409
    fallback = f"{PATH}/{answer.referral.referral_id}"
    return redirect(safe_return(given.get("back", ""), fallback), 303)


def _says(found: reports.Referral) -> bool:
    """Tell whether a referral says what the form does, which then was sent twice."""
    given = request.form
    is_same = (found.reason, found.notes) == (_REASONS.get(given.get("reason", "")), given.get("notes", "").strip())
    return is_same and {each.person_id for each in found.told} == set(given.getlist("told"))


def _exists(found: reports.Referral) -> ServiceError:
    text = f"{found.created_by.name} has added a referral for this message. What you wrote is not saved."
    return AlreadyExists("REFERRAL_EXISTS", text, metadata={"referral_id": found.referral_id})


@blueprint.get(f"{PATH}/<uuid:referral_id>")
@requires(*_REFERRERS)
def referral(referral_id: str) -> str:
    """Show one referral (statement 113)."""
    answer = get(str(referral_id))
    found = answer.referral
    return render_template(
        "referral.html",
        answer=answer,
        referral=found,
        titles=school_titles(),
        message_link=_message_link(found) if answer.sees_message else "",
    )


def _message_link(found: reports.Referral) -> str:
    """Return where the viewer reads the message; empty where their profile opens neither page."""
    if found.is_threat and person().may(Permission.THREAT_ALERTS):
        return f"/reports/threats/{found.message_id}"
    if found.entry_id and person().may(Permission.COMMUNICATION_REPORTS):
        return f"/reports/history/entries/{found.entry_id}?{urlencode({'searched': 1})}"
    return ""


@blueprint.post(f"{PATH}/<uuid:referral_id>/delete")
@requires(*_REFERRERS)
def remove(referral_id: str) -> Response:
    """Delete a referral (statement 115)."""
    delete(str(referral_id))
    return redirect(PATH, 303)
