"""Goal 3: goal 2's drain while a long snapshot is held, and with a receipt for every delivery, beside the plain one."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import grpc

from benchmarks import messages
from benchmarks.drain import RECIPIENTS, drain
from benchmarks.measure import REPETITIONS, Pairs, rate
from benchmarks.system import System, running
from protos.queue.v1 import queue_pb2 as pb
from protos.queue.v1 import queue_pb2_grpc

_LOT, _CALLS = 1_000, 4


def run() -> list[dict[str, Any]]:
    """Return both ratios."""
    pieces = messages.pieces(messages.recipients(RECIPIENTS))
    with_snapshot, with_receipts = Pairs(), Pairs()
    with running() as system:
        system.start_drill()
        drain(system, pieces[:5], 5_000)
        for _ in range(REPETITIONS):
            plain = drain(system, pieces, RECIPIENTS)
            alone = rate(RECIPIENTS, plain.seconds)
            seconds, is_told = _confirm(system, plain.entry_id)
            with_receipts.add(rate(RECIPIENTS, plain.seconds + seconds), alone, is_exact=plain.is_exact and is_told)
            with system.connect() as connection:
                connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
                connection.execute("SELECT count(*) FROM batches")
                held = drain(system, pieces, RECIPIENTS)
            with_snapshot.add(rate(RECIPIENTS, held.seconds), alone, is_exact=held.is_exact)
    return [
        with_snapshot.result(3, "drain under a long snapshot against without", 0.85, 0.75),
        with_receipts.result(3, "drain with a receipt for each against without", 0.5, 0.35),
    ]


def _confirm(system: System, entry_id: str) -> tuple[float, bool]:
    """Send the receipt of every delivery; return the seconds, and whether all are Sent now."""
    with system.connect() as connection:
        query = "SELECT provider_message_id FROM outcomes WHERE entry_id = %s AND state = 'handed_off'"
        keys = [str(row[0]) for row in connection.execute(query, (entry_id,))]
        requests = [_receipts(keys[start : start + _LOT]) for start in range(0, len(keys), _LOT)]
        with system.channel() as channel, ThreadPoolExecutor(_CALLS) as threads:
            started = perf_counter()
            list(threads.map(lambda request: _record(channel, system, request), requests))
            seconds = perf_counter() - started
        query = "SELECT count(*) FROM outcomes WHERE entry_id = %s AND state = 'sent'"
        return seconds, connection.execute(query, (entry_id,)).fetchone() == (len(keys),)


def _receipts(keys: Sequence[str]) -> pb.RecordReceiptsRequest:
    every = [
        pb.Receipt(provider="sandbox", provider_message_id=key, delivery_key=key, status="delivered") for key in keys
    ]
    return pb.RecordReceiptsRequest(receipts=every)


def _record(channel: grpc.Channel, system: System, request: pb.RecordReceiptsRequest) -> None:
    queue_pb2_grpc.QueueServiceStub(channel).RecordReceipts(request, metadata=system.authorization, timeout=60)
