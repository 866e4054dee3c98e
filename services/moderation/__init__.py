"""Moderation: what a student's message means, judged before anybody receives it.

Owns verdicts, policies and, for half an hour, what students wrote to whom. Answers
`comms.moderation.v1.ModerationService`. Consumes queue.screening.requested.v1 and queue.rescreening.requested.v1, and
tells moderation.verdict.reached.v1, on which the queue alone acts, and moderation.provider.changed.v1. Replicas share
the work: each `serve` is one. Each `lend` judges texts for them and needs NATS alone.
"""

import os

# Matrices here are small: BLAS's own threads only spin for each other's core, and two replicas on two cores were four
# times slower with them. Set before anything imports numpy; replicas are how this service uses more cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
