"""What every page has: the frame's navigation, alerts, filters for dates and numbers, safe return addresses."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, g, request
from google.protobuf.timestamp_pb2 import Timestamp
from markupsafe import Markup

from protos.directory.v1 import directory_pb2 as directory
from protos.notify.v1 import notify_pb2 as notify
from services.gateway import languages, linking, policies, recurring, words
from services.gateway.access import Permission, Person
from services.gateway.auth import signed_in_person
from services.gateway.state import gateway
from services.kit.dates import written, zone_name
from services.kit.errors import ServiceError
from services.kit.logs import get_logger
from services.kit.rpc_errors import translated

_log = get_logger(__name__)
_TIME = Markup(
    '<time datetime="{}" title="{}"><span aria-hidden="true">{}</span><span class="visually-hidden">{}</span></time>'
)


def install(app: Flask) -> None:
    """Give templates their filters and what every page shows."""
    app.jinja_env.filters.update(
        clock=words.clock,
        date=_date,
        day=words.iso_day,
        sending=_sending,
        full_date=_full_date,
        ago=_ago,
        iso=_iso,
        count=words.count,
        destinations=words.destinations,
        number_of=words.plural,
        lasting=words.lasting,
    )
    app.jinja_env.globals.update(
        words=words,
        languages=languages,
        policies=policies,
        recurring=recurring,
        zone_words=_zone,
        asset=_asset,
        **linking.TEMPLATE_NAMES,
    )
    app.context_processor(_frame)


def _sending(when: datetime | Timestamp) -> str:
    """Return "Monday, 30 November 2026, 8:00 am" in the district's zone."""
    found = words.moment(when) if isinstance(when, Timestamp) else when
    return written(found, gateway().zone) if found else ""


def _zone() -> str:
    return zone_name(gateway().settings.district_time_zone)


def _frame() -> dict[str, Any]:
    someone = _known_person()
    if someone is None:
        return {"person": None, "district": gateway().settings.district_name, "theme": _theme()}
    return {
        "person": someone,
        "district": gateway().settings.district_name,
        "navigation": list(_navigation(someone)),
        "alerts": open_alerts(someone) if "HX-Request" not in request.headers else Alerts([], True),
        "theme": _theme(),
        **_working_schools(someone),
    }


def _known_person() -> Person | None:
    """Return who is signed in, also on pages of errors; None when that cannot be found out."""
    try:
        return signed_in_person()
    except ServiceError:
        return None


def _asset(name: str) -> str:
    return gateway().assets.address(name)


def _theme() -> str:
    chosen = request.cookies.get("lantern_theme", "")
    return chosen if chosen in {"light", "dark"} else ""


def _navigation(someone: Person) -> Iterator[dict[str, str]]:
    yield {"key": "inbox", "href": "/inbox", "label": "Inbox", "icon": "inbox"}
    if someone.may(Permission.SEND_MESSAGES, Permission.SEND_TO_STAFF):
        yield {"key": "compose", "href": "/compose", "label": "Compose", "icon": "compose"}
    if someone.may(Permission.COMMUNICATION_REPORTS, Permission.THREAT_ALERTS):
        yield {"key": "reports", "href": reports_home(someone), "label": "Communication reports", "icon": "reports"}
    if someone.may(Permission.FLAG_MESSAGES, Permission.THREAT_ALERTS):
        yield {"key": "referrals", "href": "/referrals", "label": "Referrals", "icon": "referrals"}
    if someone.may(Permission.MANAGE_ATTENDANCE):
        yield {"key": "attendance", "href": "/attendance-rules", "label": "Attendance rules", "icon": "attendance"}
    if someone.may(Permission.VIEW_AUDIT):
        yield {"key": "audit", "href": "/audit", "label": "Audit", "icon": "audit"}
    if someone.may(Permission.MANAGE_POLICY):
        yield {"key": "policy", "href": "/policy", "label": "Policy", "icon": "policy"}
    if someone.may(Permission.MANAGE_PROFILES):
        yield {"key": "profiles", "href": "/users/profiles/permissions", "label": "Profiles", "icon": "profiles"}
    if someone.may(Permission.MANAGE_DIRECTORY):
        yield {"key": "schools", "href": "/schools/info", "label": "Schools", "icon": "schools"}
        yield {"key": "quiet", "href": "/quiet-hours", "label": "Quiet hours", "icon": "quiet"}
        yield {"key": "senders", "href": "/senders", "label": "Senders", "icon": "senders"}
        yield {"key": "contacts", "href": "/contact-standing", "label": "Contact standing", "icon": "contacts"}


def reports_home(someone: Person) -> str:
    """Return where Communication Reports begins for this person (statements 17, 18)."""
    may = someone.may(Permission.COMMUNICATION_REPORTS)
    return "/reports/history" if may else "/reports/threats"


class Alerts:
    """The open alerts of a person, or that they cannot be had."""

    def __init__(self, alerts: list[notify.Alert], is_known: bool) -> None:
        """Take the alerts, newest first."""
        self.alerts, self.is_known = alerts, is_known
        self.read_at = gateway().clock()


def open_alerts(someone: Person) -> Alerts:
    """Ask notify for the person's open alerts; a page must not fail because notify does not answer."""
    if not someone.may(Permission.THREAT_ALERTS):
        return Alerts([], True)
    try:
        with translated():
            answer = gateway().clients.notify.ListAlerts(notify.ListAlertsRequest(), timeout=2)
    except ServiceError as problem:
        _log.warning("alerts_unknown", reason=problem.reason)
        return Alerts([], False)
    return Alerts([alert for alert in answer.alerts if not alert.is_dismissed], True)


def schools() -> list[directory.School]:
    """Return every school, by title."""
    if "schools" not in g:
        with translated():
            g.schools = list(gateway().clients.directory.ListSchools(directory.ListSchoolsRequest()).schools)
    found: list[directory.School] = g.schools
    return found


def school_titles() -> dict[str, str]:
    """Return the title of every school by its id."""
    return {each.school_id: each.title for each in schools()}


def visible_schools(someone: Person) -> list[directory.School]:
    """Return the schools that the person may see (statement 25)."""
    return [each for each in schools() if someone.sees_school(each.school_id)]


def _working_schools(someone: Person) -> dict[str, Any]:
    try:
        return {"working_school": working_school(someone), "working_schools": working_schools(someone)}
    except ServiceError as problem:
        _log.warning("schools_unknown", reason=problem.reason)
        return {"working_school": None, "working_schools": []}


def working_school(someone: Person) -> directory.School | None:
    """Return the school that the person works in or attends; None for the district's own people."""
    return next((each for each in schools() if each.school_id == someone.working_school_id), None)


def working_schools(someone: Person) -> list[directory.School]:
    """Return the schools among which the person may choose the one they work in."""
    return [each for each in schools() if each.school_id in someone.school_ids]


def safe_return(address: str, fallback: str) -> str:
    """Return the address if it leads to a page of ours, else the fallback."""
    parts = urlsplit(address)
    is_ours = address.startswith("/") and not address.startswith(("//", "/\\")) and not parts.netloc
    return address if is_ours and not any(ord(letter) < 32 for letter in address) else fallback


def _moment(value: Timestamp | datetime) -> datetime | None:
    return value if isinstance(value, datetime) else words.moment(value)


def _date(value: Timestamp | datetime) -> Markup:
    """Return the short date, with the full one on hover and for screen readers."""
    when = _moment(value)
    if when is None:
        return Markup("")
    zone = gateway().zone
    full, short = words.full_date(when, zone), words.short_date(when, zone, gateway().clock())
    return _TIME.format(when.isoformat(), full, short, full)


def _full_date(value: Timestamp | datetime) -> str:
    when = _moment(value)
    return words.full_date(when, gateway().zone) if when else ""


def _ago(value: Timestamp | datetime) -> str:
    when = _moment(value)
    return words.ago(when, gateway().clock()) if when else ""


def _iso(value: Timestamp | datetime) -> str:
    when = _moment(value)
    return when.isoformat() if when else ""
