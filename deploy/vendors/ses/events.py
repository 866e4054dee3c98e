"""The bodies of SES events, as event publishing writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from deploy.vendors.aws import new_id
from deploy.vendors.outcomes import Outcome
from deploy.vendors.ses.message import Email
from deploy.vendors.settings import ACCOUNT_ID

_DIAGNOSTICS = {
    "General": ("5.1.1", "smtp; 550 5.1.1 user unknown"),
    "MailboxFull": ("5.2.2", "smtp; 552 5.2.2 mailbox full"),
    "Suppressed": ("5.1.1", "Amazon SES has suppressed sending to this address"),
    "OnAccountSuppressionList": ("5.1.1", "Amazon SES did not send the message: address is on the suppression list"),
}


def iso(seconds: float) -> str:
    """A time as SES writes it: UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def mail_object(message: Email, message_id: str, region: str, sent_at: float) -> dict[str, Any]:
    """The `mail` part that every event of one message repeats."""
    domain = message.sender.rpartition("@")[2].strip("> ")
    addressed = {name.lower(): copies for name, copies in message.copies.items() if copies and name != "Bcc"}
    tags = {
        "ses:source-tls-version": ["TLSv1.3"],
        "ses:operation": ["SendEmail"],
        "ses:configuration-set": [message.configuration_set],
        "ses:source-ip": ["192.0.2.1"],
        "ses:from-domain": [domain],
        "ses:caller-identity": ["lantern"],
        **{name: [value] for name, value in message.tags.items()},
    }
    return {
        "timestamp": iso(sent_at),
        "source": message.sender,
        "sourceArn": f"arn:aws:ses:{region}:{ACCOUNT_ID}:identity/{domain}",
        "sendingAccountId": ACCOUNT_ID,
        "messageId": message_id,
        "destination": message.recipients,
        "headersTruncated": False,
        "headers": message.headers,
        "commonHeaders": {"from": [message.sender], **addressed, "messageId": message_id, "subject": message.subject},
        "tags": tags,
    }


def event_body(
    kind: str, mail: dict[str, Any], recipient: str, outcome: Outcome, sent_at: float, now: float
) -> dict[str, Any]:
    """One event: Send, Delivery, Bounce, Complaint or Reject, of one recipient."""
    return {"eventType": kind, "mail": mail, kind.lower(): _PARTS[kind](recipient, outcome, sent_at, now)}


def _delivery(recipient: str, _outcome: Outcome, sent_at: float, now: float) -> dict[str, Any]:
    return {
        "timestamp": iso(now),
        "processingTimeMillis": max(1, round((now - sent_at) * 1000)),
        "recipients": [recipient],
        "smtpResponse": "250 2.0.0 OK: message queued",
        "remoteMtaIp": "192.0.2.25",
        "reportingMTA": "a8-61.smtp-out.amazonses.com",
    }


def _bounce(recipient: str, outcome: Outcome, _sent_at: float, now: float) -> dict[str, Any]:
    kind, _, sub_kind = outcome.detail.partition("/")
    status, diagnostic = _DIAGNOSTICS[sub_kind]
    bounced = {"emailAddress": recipient, "action": "failed", "status": status, "diagnosticCode": diagnostic}
    return {
        "feedbackId": new_id(),
        "bounceType": kind,
        "bounceSubType": sub_kind,
        "bouncedRecipients": [bounced],
        "timestamp": iso(now),
        "reportingMTA": "dsn; a8-61.smtp-out.amazonses.com",
    }


def _complaint(recipient: str, outcome: Outcome, _sent_at: float, now: float) -> dict[str, Any]:
    return {
        "feedbackId": new_id(),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": recipient}],
        "timestamp": iso(now),
        "userAgent": "Vendor simulator",
        "complaintFeedbackType": outcome.detail,
        "arrivalDate": iso(now),
    }


_PARTS = {
    "Send": lambda *_: {},
    "Delivery": _delivery,
    "Bounce": _bounce,
    "Complaint": _complaint,
    "Reject": lambda _recipient, outcome, *_: {"reason": outcome.detail},
}
