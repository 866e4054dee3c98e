"""Moderation: what a student's message means, judged before anybody receives it.

Owns verdicts and policies. Answers `comms.moderation.v1.ModerationService`. Consumes queue.screening.requested.v1 and
tells moderation.verdict.reached.v1; the queue alone acts on it. Replicas share the work: each `serve` is one.
"""
