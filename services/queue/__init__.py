"""The delivery engine: what was sent, to whom, and what became of it.

Owns messages, schedules, attendance rules, absences, recordings, entries, recipients, outcomes, the consent ledger,
suppressions and the portal inbox, and the adapters to Twilio, SES and SNS. Answers QueueService, ScheduleService,
ContactService and AttendanceService. Tells of messages submitted, withheld, released and cancelled, asks for
screening, tells progress and changed schedules; acts on moderation's verdicts and on what reviewers release.
docs/delivery.md explains the guarantees, docs/schedules.md what is sent later, docs/attendance.md what families hear
of absences.
"""
