"""Every instrument of reports."""

from services.kit.telemetry import meter

_meter = meter("services.reports")
events_applied = _meter.create_counter(
    "lantern.reports.events.applied", "{event}", "Events of the queue that changed the read model, by subject."
)
progress_lag = _meter.create_histogram(
    "lantern.reports.progress.lag", "s", "From a change of an entry's counts to its showing in the reports."
)
responses_applied = _meter.create_counter(
    "lantern.reports.responses.applied", "{response}", "Answers to polls and sign-ups that were told."
)
searches = _meter.create_counter("lantern.reports.searches", "{search}", "Searches, by report.")
search_duration = _meter.create_histogram("lantern.reports.search.duration", "s", "Time of one search, by report.")
acknowledge_delay = _meter.create_histogram(
    "lantern.reports.acknowledge.delay", "s", "From withholding a message to its acknowledgement."
)
decision_delay = _meter.create_histogram(
    "lantern.reports.decision.delay", "s", "From withholding a message to the first decision about it."
)
reviews = _meter.create_counter(
    "lantern.reports.reviews", "{change}", "Flags, acknowledgements, decisions and referrals, by action."
)
watchers = _meter.create_up_down_counter("lantern.reports.watchers", "{stream}", "Open streams of moving counts.")
