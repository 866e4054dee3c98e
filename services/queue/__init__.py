"""The delivery engine: what was sent, to whom, and what became of it.

Owns messages, schedules, attendance rules, absences, recordings, entries, recipients, outcomes, surveys and their
answers, translations, senders, the consent ledger, suppressions and the portal inbox, and the adapters to Twilio, SES,
SNS and Amazon Translate. Answers QueueService, ScheduleService, ContactService, AttendanceService, FamilyService,
SenderService and SurveyService. Consumes moderation.verdict.reached.v1 and, for what reviewers release,
reports.review.changed.v1. Tells queue.message.submitted.v1, queue.message.withheld.v1, queue.message.released.v1,
queue.message.cancelled.v1, queue.entry.progressed.v1, queue.schedule.changed.v1, queue.response.recorded.v1,
queue.setting.changed.v1, queue.attention.needed.v1 and queue.screening.stalled.v1; asks for screening by
queue.screening.requested.v1 and queue.rescreening.requested.v1. docs/delivery.md explains the guarantees,
docs/schedules.md what is sent later, docs/attendance.md what families hear of absences, docs/polls.md what they answer.
"""
