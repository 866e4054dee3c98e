"""The workbook of who answered what to a poll or a sign-up."""

from flask import Blueprint, Response

from services.gateway import results
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.routes.entries import ENTRIES, get_entry

blueprint = Blueprint("answer_tables", __name__)


@blueprint.get(f"{ENTRIES}/<uuid:entry_id>/message/excel")
@requires(Permission.COMMUNICATION_REPORTS)
def excel(report: str, entry_id: str) -> Response:
    """Send it; NotFound for an entry that the report does not show."""
    get_entry(str(entry_id), report)
    return results.excel(str(entry_id))
