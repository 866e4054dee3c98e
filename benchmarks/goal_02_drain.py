"""Goal 2: from submission to the last outcome (3 % duplicate, 1 % error, 2 % twice), beside raw SQL and peers."""

from typing import Any

from benchmarks import messages, raw
from benchmarks.drain import RECIPIENTS, drain
from benchmarks.measure import REPETITIONS, Pairs, rate
from benchmarks.peers import celery_jobs, dramatiq_jobs, pgqueuer_jobs, procrastinate_jobs
from benchmarks.peers.run import Peer, Redis
from benchmarks.system import running

_JOBS = {"pgqueuer": 10_000, "dramatiq": 5_000, "procrastinate": 1_000, "celery": 1_000}
_GOALS = {"pgqueuer": (10, 6), "dramatiq": (50, 30), "procrastinate": (100, 60), "celery": (100, 60)}


def run() -> list[dict[str, Any]]:
    """Return the ratio against COPY and UPDATE, and against each peer."""
    rows = messages.recipients(RECIPIENTS)
    pieces, plain = messages.pieces(rows), raw.rows_of(rows)
    against_raw, against = Pairs(), {name: Pairs() for name in _JOBS}
    with running() as system, Redis(system.folder) as redis:
        system.start_drill()
        peers = {
            "pgqueuer": Peer(pgqueuer_jobs, system.peer_database("pgqueuer")),
            "dramatiq": Peer(dramatiq_jobs, redis.url(0)),
            "procrastinate": Peer(procrastinate_jobs, system.peer_database("procrastinate")),
            "celery": Peer(celery_jobs, redis.url(1)),
        }
        with system.connect() as connection:
            raw.prepare(connection)
            drain(system, pieces[:5], 5_000)
            for _ in range(REPETITIONS):
                ours = drain(system, pieces, RECIPIENTS)
                figure = rate(RECIPIENTS, ours.seconds)
                limit = rate(RECIPIENTS, raw.copy_and_update(connection, plain))
                against_raw.add(figure, limit, is_exact=ours.is_exact)
                for name, peer in peers.items():
                    against[name].add(figure, rate(_JOBS[name], peer.run(_JOBS[name])), is_exact=ours.is_exact)
    return [
        against_raw.result(2, "submit and drain against COPY and UPDATE", 1.0, 0.7),
        *(against[name].result(2, f"submit and drain against {name}", *_GOALS[name]) for name in _JOBS),
    ]
