"""One file for each noun; every route names the permission that it needs."""

from services.gateway.routes import (
    alerts,
    api,
    api_reviews,
    assets,
    audit,
    compose,
    entries,
    health,
    history,
    inbox,
    people,
    policy,
    preferences,
    recordings,
    referrals,
    scheduled,
    schedules,
    sign_in,
    threats,
    webhooks,
)

BLUEPRINTS = (
    sign_in.blueprint,
    history.blueprint,
    entries.blueprint,
    threats.blueprint,
    alerts.blueprint,
    inbox.blueprint,
    compose.blueprint,
    people.blueprint,
    referrals.blueprint,
    schedules.blueprint,
    scheduled.blueprint,
    audit.blueprint,
    policy.blueprint,
    preferences.blueprint,
    recordings.blueprint,
    assets.blueprint,
    health.blueprint,
    api_reviews.blueprint,
    api.sign_in_blueprint,
    webhooks.blueprint,
)
OPEN_TO_OTHER_SITES = (webhooks.blueprint, api.sign_in_blueprint)
"""Without form tokens: providers sign their requests, and a sign-in as JSON cannot come from another site's form."""
