"""Goal 1: taking a message to 100,000 recipients over gRPC, once per family, beside COPY and pgqueuer's enqueue."""

import time
from typing import Any

from benchmarks import messages, raw
from benchmarks.drain import RECIPIENTS, submitted_exactly
from benchmarks.measure import REPETITIONS, Pairs, rate
from benchmarks.peers import pgqueuer_jobs
from benchmarks.peers.run import Peer
from benchmarks.system import running

_PEER_JOBS = 20_000


def run() -> list[dict[str, Any]]:
    """Return both ratios."""
    rows = messages.recipients(RECIPIENTS)
    pieces, plain = messages.pieces(rows), raw.rows_of(rows)
    against_copy, against_peer = Pairs(), Pairs()
    with running() as system:
        system.start("queue", "serve")
        peer = Peer(pgqueuer_jobs, system.peer_database("pgqueuer"))
        with system.connect() as connection, system.channel() as channel:
            raw.prepare(connection)
            messages.submit(channel, system.authorization, pieces[:5])
            for _ in range(REPETITIONS):
                started = time.perf_counter()
                answer = messages.submit(channel, system.authorization, pieces)
                ours = rate(RECIPIENTS, time.perf_counter() - started)
                is_exact = submitted_exactly(answer, RECIPIENTS)
                against_copy.add(
                    ours, rate(RECIPIENTS, raw.copy(connection, "raw_recipients", plain)), is_exact=is_exact
                )
                against_peer.add(ours, rate(_PEER_JOBS, peer.enqueue(_PEER_JOBS)), is_exact=is_exact)
    return [
        against_copy.result(1, "fan-out against COPY of the same rows", 0.8, 0.5),
        against_peer.result(1, "fan-out against pgqueuer's enqueue", 10, 5),
    ]
