"""Every instrument of notify."""

from services.kit.telemetry import meter

_meter = meter("services.notify")
alerts_raised = _meter.create_counter(
    "lantern.notify.alerts.raised", "{alert}", "Portal alerts, one a threat and holder."
)
alert_delay = _meter.create_histogram(
    "lantern.notify.alert.delay", "s", "From withholding a message to its committed alerts."
)
submissions = _meter.create_counter(
    "lantern.notify.submissions", "{submission}", "E-mail and push handed to queue, by occasion and outcome."
)
submission_delay = _meter.create_histogram(
    "lantern.notify.submission.delay", "s", "From the decision to tell people to queue's taking it."
)
nobody_told = _meter.create_counter(
    "lantern.notify.nobody", "{threat}", "What nobody could be told of: no holder, no administrator."
)
watchers = _meter.create_up_down_counter("lantern.notify.watchers", "{stream}", "Open streams of alerts.")
