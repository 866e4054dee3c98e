"""Contact standing › Not written to: what is suppressed, why and since when; several lifted at once (statement 311)."""

from collections.abc import Container, Iterator
from datetime import UTC, date, datetime, time
from http import HTTPStatus

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as Redirect

from protos.queue.v1 import contacts_pb2 as pb
from protos.reports.v1 import reports_pb2 as reports
from protos.types.v1 import types_pb2 as types
from services.gateway import exports, showing
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.listing import Listing, Place
from services.gateway.parameters import Number
from services.gateway.problems import STATUS
from services.gateway.searches import LARGEST_PAGE, SIZE, read_day, read_number
from services.gateway.state import gateway
from services.gateway.words import SUPPRESSED
from services.kit.errors import InvalidArgument, NotFound, ServiceError
from services.kit.rpc_errors import translated

blueprint = Blueprint("suppressions", __name__)
PATH = "/contact-standing/suppressed"
_LIFTED = Number("lifted", "How many were lifted.", most=LARGEST_PAGE, default=0)
WAYS = {"email": types.CHANNEL_EMAIL, "sms": types.CHANNEL_SMS}


def _read() -> Listing:
    """Return what the address asks for."""
    problems: dict[str, str] = {}
    own = [
        ("way", _one_of(WAYS, "way")),
        ("reason", _one_of(SUPPRESSED, "reason")),
        ("domain", request.args.get("domain", "").strip()[:254]),
        ("since", read_day(request.args, "since", problems)),
    ]
    page = types.PageRequest(size=read_number(request.args, SIZE))
    return Listing(Place("suppressions", PATH, own=own), [], types.Sort(), page, problems)


def _one_of(known: Container[str], name: str) -> str:
    text = request.args.get(name, "")
    return text if text in known else ""


def _find(listing: Listing, after: str) -> pb.ListSuppressionsResponse:
    """Return the page that follows; InvalidArgument for a domain that is none."""
    own = dict(listing.place.own)
    wanted = pb.ListSuppressionsRequest(
        channel=WAYS.get(own["way"], types.CHANNEL_UNSPECIFIED),
        reason=own["reason"],
        domain=own["domain"],
        size=listing.page.size,
        after=after,
    )
    if own["since"]:
        begins = datetime.combine(date.fromisoformat(own["since"]), time.min, gateway().zone)
        wanted.since.FromDatetime(begins.astimezone(UTC))
    with translated():
        answer: pb.ListSuppressionsResponse = gateway().clients.contacts.ListSuppressions(wanted)
    return answer


@blueprint.get(PATH)
@requires(Permission.MANAGE_DIRECTORY)
def show() -> str | tuple[str, int]:
    """Show what is not written to."""
    return _page()


@blueprint.post(f"{PATH}/lift")
@requires(Permission.MANAGE_DIRECTORY)
def lift() -> Redirect | tuple[str, int]:
    """Write to what was ticked again, and show the rest of what was asked for."""
    chosen = [each[:254] for each in request.form.getlist("destination")[: LARGEST_PAGE + 1]]
    try:
        with translated():
            answer = gateway().clients.contacts.LiftSuppression(pb.LiftSuppressionRequest(destinations=chosen))
    except (InvalidArgument, NotFound) as problem:
        return _page(problem), STATUS[type(problem)]
    return redirect(_read().link("", lifted=answer.lifted), HTTPStatus.SEE_OTHER)


def _page(problem: ServiceError | None = None) -> str:
    listing, after = _read(), request.args.get("after", "")
    answer = pb.ListSuppressionsResponse()
    try:
        if not listing.problems:
            answer = _find(listing, after)
    except InvalidArgument as wrong:
        listing.problems.update({each.pointer.removeprefix("/"): each.detail for each in wrong.violations})
    return render_template(
        "suppressions.html",
        listing=listing,
        asked=dict(listing.place.own),
        wrong={f"/{name}": text for name, text in listing.problems.items()},
        answer=answer,
        after=after,
        problem=problem,
        lifted=read_number(request.args, _LIFTED),
        is_all_ticked=request.args.get("ticked") == "all",
        **showing.for_template("suppressions"),
        ways=WAYS,
    )


@blueprint.get(f"{PATH}/excel")
@requires(Permission.MANAGE_DIRECTORY)
def excel() -> Response:
    """Send everything that is asked for as a workbook (statements 213, 214)."""
    listing = _read().strict()
    listing.page.size, own = exports.PAGE, dict(listing.place.own)
    rules = [types.ColumnRule(column="destination")] if own["domain"] else []
    asked = reports.Filter(channels=[WAYS[own["way"]]] if own["way"] else [], start_date=own["since"], rules=rules)
    table = reports.RecordExportRequest.TABLE_SUPPRESSIONS
    exports.record(reports.RecordExportRequest(table=table, filter=asked, state=own["reason"]))
    columns = showing.columns_of("suppressions")
    return exports.workbook("not-written-to", columns, _every(listing), exports.suppression_value)


def _every(listing: Listing) -> Iterator[pb.Suppression]:
    """Yield the rows of every page. InvalidArgument when there are more than a workbook holds."""
    answer = _find(listing, "")
    exports.check_size(answer.total)
    yield from answer.suppressions
    while answer.next:
        answer = _find(listing, answer.next)
        yield from answer.suppressions
