"""Notify: who is told about a threat, when, and what became of it.

Owns alerts, acknowledgements as they were told, and who was told by which way. Answers `comms.notify.v1.NotifyService`.
Consumes queue.message.withheld.v1, queue.entry.progressed.v1, reports.review.changed.v1, and what staff are told of:
reports.referral.added.v1, queue.screening.stalled.v1, queue.attention.needed.v1, moderation.provider.changed.v1 and
dead letters. Tells notify.alert.changed.v1. E-mail and push leave through queue's alert lane.
"""
