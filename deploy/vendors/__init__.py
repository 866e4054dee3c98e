"""The vendor simulator: Twilio, Amazon SES, SNS and Translate, and ModerationAPI in one process, on one port.

`python -m deploy.vendors --listen 127.0.0.1:8900` speaks what the vendors' own SDKs speak, so the product's real
adapters work against it unchanged. It is for one machine, tests and benchmarks. It keeps the newest 500,000 arrivals in
memory and nothing on disk. It is a simulator: its moderation scores come from a handful of word rules.

What to point at it
    Twilio         http client with the base address replaced     (TWILIO_BASE_URL)
    SES, SNS, Translate   `endpoint_url` of boto3                 (AWS_ENDPOINT_URL)
    ModerationAPI  `server_url=BASE/v1`                           (MODAPI_BASE_URL)

What the launcher sets, the same for the simulator and for the services
    TWILIO_ACCOUNT_SID TWILIO_AUTH_TOKEN TWILIO_FROM_NUMBER AWS_REGION AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
    SES_FROM_ADDRESS (its domain is then the only verified one) SES_CONFIGURATION_SET (default `lantern`; events are
    published only for mail that names it) MODAPI_SECRET_KEY MODAPI_WEBHOOK_SECRET
    SNS_PLATFORM_APPLICATION_ARN of the services: arn:aws:sns:REGION:123456789012:app/GCM/lantern, which always exists.

What it calls
    the StatusCallback of each message or call   Twilio form post, X-Twilio-Signature by the auth token over exactly
        that address with its query; retries as its `#rc=…&rp=…` asks (default: once, if there was no connection)
    --twilio-inbound-url   a family's reply (POST /control/inbound), signed alike
    --ses-events-url       SNS messages for the topic ses-events: SubscriptionConfirmation every second until someone
        GETs its SubscribeURL, then Notifications with SES events. SigningCertURL is
        BASE/SimpleNotificationService-<hex>.pem, where BASE is this simulator (Amazon's is
        https://sns.REGION.amazonaws.com); a verifier must fetch the certificate only from the origin that it is
        configured with. SignatureVersion 1 (SHA-1) or, with --sns-signature-version 2, SHA-256. Three retries, 20 s
        apart.
    --modapi-webhook-url   POST /control/moderation_webhook {type, item}; header modapi-signature; five tries

What becomes of a message depends on its destination: `outcomes.py`, also at GET /control/outcomes and on the page.
Arrivals carry the query of the callback address, EmailTags or MessageAttributes as `tags`. A recipient is recognised by
channel, destination and tags without `attempt`, `attempt_id`, `batch`, `batch_id` and the last part of `delivery_key`.

Control, from this machine only (JSON)
    POST /control/modes {provider: {mode, probability, retry_after_seconds, delay_seconds, late_seconds, count}}
        providers: sms voice (twilio = both) ses sns translate moderation; modes: ok hang 429 500 timeout_after_accept,
        drop_receipts duplicate_receipts late_receipts reorder;
        moderation also 400 schema_drift partial renamed quota_exceeded key_refused drip
    GET /control/moderated   what ModerationAPI was asked, the latest 100 requests
    POST /control/reset   GET /control/state   GET /control/arrival_counts   GET /control/outcomes
    GET /arrived.json?channel=&to=&words=&tag=NAME=VALUE&after=SEQ&limit=   (VALUE* matches what begins so)
    GET /   what arrived, for people
"""
