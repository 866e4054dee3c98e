"""Reports: what was sent and what became of it, for the people whose profile allows them to see it.

Owns the report read model (messages, entries, counts, threats, what was noted, schedules, answers to polls and
sign-ups), flags, referrals, acknowledgements, decisions and the audit log. Answers `comms.reports.v1.ReportsService`.
Consumes queue.message.*.v1, queue.entry.progressed.v1, queue.schedule.changed.v1 and queue.response.recorded.v1; for
the audit log queue.setting.changed.v1, directory.setting.changed.v1, directory.profile.changed.v1 and
directory.profile.assigned.v1; and notify.alert.changed.v1 for who may review a threat. Tells reports.review.changed.v1
and reports.referral.added.v1.
"""
