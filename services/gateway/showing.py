"""What tables show beside their rows: the columns that a person sees, the senders to choose among, counts that move."""

from collections.abc import Iterator
from typing import Any

from flask import Response, json, request, stream_with_context

from protos.reports.v1 import reports_pb2 as reports
from services.gateway import store
from services.gateway.access import Permission
from services.gateway.columns import REPORTS, Column, default_hidden, shown
from services.gateway.database import transaction
from services.gateway.linking import counts_of
from services.gateway.live import event_stream
from services.gateway.state import gateway, person
from services.kit.rpc_errors import translated

_MOST_LIVE = 500


def columns_of(table: str) -> list[Column]:
    """Return the columns of a table that the signed-in person sees (statement 218)."""
    return shown(table, _hidden(table))


def for_template(table: str) -> dict[str, Any]:
    """Return the columns as templates want them: those that are shown, all, and the names of the hidden ones."""
    hidden = _hidden(table)
    return {"columns": shown(table, hidden), "all_columns": REPORTS[table], "hidden": hidden}


def _hidden(table: str) -> list[str]:
    with transaction(gateway().engine) as connection:
        chosen = store.hidden_columns(connection, person().person_id, table)
    return default_hidden(table) if chosen is None else chosen


def senders() -> list[reports.SenderName]:
    """Return the senders that the User filter offers (statements 6, 33)."""
    if not (person().may(Permission.VIEW_ALL_USERS) and person().may(Permission.COMMUNICATION_REPORTS)):
        return []
    with translated():
        answer = gateway().clients.reports.ListSenders(reports.ListSendersRequest())
    return list(answer.senders)


def moving_counts(*, is_attendance: bool = False) -> Response | tuple[str, int]:
    """Answer a stream of the counts of the entries that the address names; 204 when it names none."""
    wanted = reports.WatchEntriesRequest(entry_ids=request.args.getlist("id")[:_MOST_LIVE], is_attendance=is_attendance)
    if not wanted.entry_ids:
        return "", 204
    call = gateway().clients.reports.WatchEntries(wanted, timeout=55)

    def moved() -> Iterator[str]:
        for answer in call:
            yield json.dumps({row.entry_id: counts_of(row) for row in answer.rows})

    return event_stream("counts", stream_with_context(moved()), call.cancel)
