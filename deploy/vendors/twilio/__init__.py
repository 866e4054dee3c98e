"""Twilio's REST API 2010-04-01, as far as the product uses it: Messages, Calls, webhooks and replies."""
