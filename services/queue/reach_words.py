"""Families that are reached or not, as protos."""

from typing import Any

from protos.queue.v1 import queue_pb2 as pb
from protos.types.v1 import types_pb2 as types
from services.queue import words
from services.queue.domain import Channel, State
from services.queue.failures import explain
from services.queue.store.reach import Reach


def reach(found: Reach, rows: list[dict[str, Any]], page: types.PageInfo) -> pb.GetReachResponse:
    """Return how many families are reached, with a page of the others."""
    return pb.GetReachResponse(
        families=found.families,
        reached=found.reached,
        waiting=found.waiting,
        unreached=[unreached_family(row) for row in rows],
        page=page,
    )


def unreached_family(row: dict[str, Any]) -> pb.UnreachedFamily:
    """Return a family with what was tried."""
    fields = ("person_id", "name", "student_number", "school_id", "is_waiting")
    return pb.UnreachedFamily(tries=[_try(each) for each in row["tries"]], **{name: row[name] for name in fields})


def _try(row: dict[str, Any]) -> pb.ReachTry:
    return pb.ReachTry(
        name=row["name"],
        channel=words.channel_number(Channel(row["channel"])),
        destination=row["destination"],
        state=words.STATES[State(row["state"])],
        error=explain(row["provider"], row["error_code"]).sentence if row["error_code"] else "",
    )
