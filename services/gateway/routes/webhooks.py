"""What providers tell us: receipts and inbound texts. Nothing is believed unsigned; repeats change nothing."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, json, request
from google.protobuf.timestamp_pb2 import Timestamp
from moderation_api.webhook_signature import SIGNATURE_HEADER, verify_signature
from twilio.request_validator import RequestValidator

from protos.moderation.v1 import moderation_pb2 as moderation
from protos.queue.v1 import queue_pb2 as queue
from services.gateway import audio, inbound_answers, metrics
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.sns import fetch, refuse
from services.gateway.state import gateway
from services.kit.errors import InvalidArgument, PermissionDenied
from services.kit.logs import get_logger
from services.kit.rpc_errors import translated

_log = get_logger(__name__)
blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")
DELIVERY_KEY = "delivery_key"
"""What carries the queue's delivery key: a parameter of Twilio's callback address, a tag of an e-mail,
a part of the context of Amazon's texts and calls."""
_OF_MESSAGING = {"TEXT": "aws_sms", "VOICE": "aws_voice"}
"""Provider by the beginning of an event's type."""
_BOUNCE_CODE = "bounceType"
_OPINIONS = {
    "queue_item.allowed": moderation.Opinion.KIND_ALLOWED,
    "queue_item.rejected": moderation.Opinion.KIND_REJECTED,
    "queue_item.resolved": moderation.Opinion.KIND_RESOLVED,
}
_MESSAGE_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_TOPIC = 300
_OLDEST_SECONDS = 300
_OPINION_SECONDS = 3.0
_LATEST_MILLISECONDS = 32_503_680_000_000
"""The year 3000."""


def _check_twilio() -> Mapping[str, str]:
    """Return the form of a request that Twilio signed; PermissionDenied for every other."""
    settings = gateway().settings
    secret = settings.twilio_auth_token.get_secret_value()
    query = f"?{request.query_string.decode()}" if request.query_string else ""
    address = f"{settings.public_url}{request.path}{query}"
    signature = request.headers.get("X-Twilio-Signature", "")
    is_signed = bool(secret) and RequestValidator(secret).validate(address, request.form, signature)
    metrics.webhooks.add(1, {"provider": "twilio", "outcome": "taken" if is_signed else "refused"})
    if not is_signed:
        raise refuse("The request is not signed by Twilio.")
    return request.form


def _record(receipts: list[queue.Receipt]) -> None:
    if receipts:
        with translated():
            wanted = queue.RecordReceiptsRequest(receipts=receipts)
            gateway().clients.queue.RecordReceipts(wanted, metadata=gateway().clients.as_gateway)


@blueprint.post("/twilio/status")
@requires(Permission.PUBLIC)
def twilio_status() -> tuple[str, int]:
    """Take what became of a text or a call."""
    form = _check_twilio()
    identity = form.get("MessageSid") or form.get("SmsSid") or form.get("CallSid", "")
    status = form.get("MessageStatus") or form.get("SmsStatus") or form.get("CallStatus", "")
    if not identity or not status:
        raise InvalidArgument("RECEIPT_INCOMPLETE", "A receipt names its message and a status.")
    is_call = "CallSid" in form
    receipt = queue.Receipt(
        provider="twilio_voice" if is_call else "twilio",
        provider_message_id=identity,
        delivery_key=request.args.get(DELIVERY_KEY, ""),
        status=status,
        # A fax machine hears nothing.
        error_code=form.get("ErrorCode") or ("fax" if form.get("AnsweredBy") == "fax" else ""),
    )
    _record([receipt])
    return "", 204


@blueprint.get("/twilio/recordings/<ticket>")
@requires(Permission.PUBLIC)
def twilio_recording(ticket: str) -> Response:
    """Play a recording to the provider that makes the call: whoever holds its signed address may, while it is good."""
    response = audio.played(ticket, gateway().clients.as_gateway)
    # Every call of an entry plays the same address: the provider need not fetch it for each.
    response.headers["Cache-Control"] = "private, max-age=3600"
    return response


@blueprint.post("/twilio/inbound")
@requires(Permission.PUBLIC)
def twilio_inbound() -> Response:
    """Take a text that somebody wrote to us; the provider answers STOP, START and HELP itself, in English alone."""
    form = _check_twilio()
    found = _record_inbound(*(form.get(name, "") for name in ("MessageSid", "From", "To", "Body")))
    # With Advanced Opt-Out the account has words and answers of its own in any language, and says that it acted.
    is_answered = bool(form.get("OptOutType"))
    answer = inbound_answers.twiml(None if is_answered else found, gateway().settings.district_name)
    return Response(answer, content_type="text/xml; charset=utf-8")


def _record_inbound(identity: str, sender: str, to: str, body: str) -> queue.RecordInboundResponse:
    wanted = queue.RecordInboundRequest(provider_message_id=identity, to=to, body=body[:1600])
    setattr(wanted, "from", sender)
    with translated():
        clients = gateway().clients
        found: queue.RecordInboundResponse = clients.queue.RecordInbound(wanted, metadata=clients.as_gateway)
    return found


@blueprint.post("/ses")
@requires(Permission.PUBLIC)
def ses() -> tuple[str, int]:
    """Take what SES tells through SNS: deliveries, bounces, complaints; and confirm a subscription."""
    _take_notification("ses", lambda event: _record(receipts_of(event)))
    return "", 204


@blueprint.post("/aws-texts")
@requires(Permission.PUBLIC)
def aws_texts() -> tuple[str, int]:
    """Take what AWS End User Messaging tells through SNS: what became of texts and calls, and texts written to us."""
    _take_notification("aws_sms", _take_messaging_event)
    return "", 204


def _take_notification(provider: str, take: Callable[[dict[str, Any]], None]) -> None:
    """Check what SNS sent, and take its message or confirm the subscription."""
    envelope = _read_envelope()
    outcome = "refused"
    try:
        # The topic first: what anybody sends is refused before a certificate is fetched, and the signature covers it.
        _check_topic(envelope.get("TopicArn", ""))
        gateway().certificates.verify(envelope)
        outcome = "taken"
    finally:
        metrics.webhooks.add(1, {"provider": provider, "outcome": outcome})
    if envelope["Type"] == "SubscriptionConfirmation":
        gateway().certificates.check_host(envelope.get("SubscribeURL", ""))
        fetch(envelope["SubscribeURL"])
    elif envelope["Type"] == "Notification":
        take(_read_object(envelope.get("Message", "")))


def _check_topic(topic: str) -> None:
    """Raise PermissionDenied unless the topic is the district's: Amazon signs what anybody's topic says."""
    if topic not in {each.strip() for each in gateway().settings.sns_topic_arns.split(",") if each.strip()}:
        _log.warning("sns_topic_refused", topic=topic[:_LONGEST_TOPIC])
        raise refuse("The topic is not one of ours.")


def _take_messaging_event(event: dict[str, Any]) -> None:
    if event.get("inboundMessageId"):
        names = ("inboundMessageId", "originationNumber", "destinationNumber", "messageBody")
        _record_inbound(*(str(event.get(name, "")) for name in names))
    else:
        _record(messaging_receipts_of(event))


@blueprint.post("/moderation")
@requires(Permission.PUBLIC)
def moderation_api() -> tuple[str, int]:
    """Take what a reviewer at ModerationAPI said about a message. It is kept as an opinion and releases nothing.

    The signature is over the raw body; an event counts once by its id, and not after five minutes, so that nothing that
    was overheard can be sent again. The vendor waits five seconds for an answer.
    """
    body = request.get_data(cache=False)
    secret = gateway().settings.modapi_webhook_secret.get_secret_value()
    signature = request.headers.get(SIGNATURE_HEADER, "")
    # The library stumbles over a signature that is not ASCII.
    is_signed = bool(secret) and signature.isascii() and verify_signature(body, signature, secret)
    outcome = "refused"
    try:
        if not is_signed:
            raise refuse("The request is not signed by ModerationAPI.")
        event = _read_object(body)
        said_at = _moment(str(event.get("created", "")))
        if said_at is None or abs((gateway().clock() - said_at.ToDatetime(UTC)).total_seconds()) > _OLDEST_SECONDS:
            raise PermissionDenied("EVENT_TOO_OLD", "The event was not created in the last five minutes.")
        opinion = opinion_of(event, said_at)
        outcome = "taken" if opinion else "ignored"
    finally:
        metrics.webhooks.add(1, {"provider": "moderationapi", "outcome": outcome})
    if opinion:
        wanted = moderation.RecordOpinionRequest(event_id=str(event.get("id", "")), opinion=opinion)
        with translated():
            clients = gateway().clients
            clients.moderation.RecordOpinion(wanted, timeout=_OPINION_SECONDS, metadata=clients.as_gateway)
    return "", 204


def opinion_of(event: Mapping[str, Any], said_at: Timestamp) -> moderation.Opinion | None:
    """Return the opinion in an event of ModerationAPI; None for events of other kinds and about no message of ours."""
    kind = _OPINIONS.get(str(event.get("type", "")))
    found: Any = event
    for name in ("data", "object", "item"):
        found = found.get(name) if isinstance(found, Mapping) else None
    message_id = str(found.get("id", "")) if isinstance(found, Mapping) else ""
    if kind is None or not _MESSAGE_ID.fullmatch(message_id):
        return None
    return moderation.Opinion(message_id=message_id, kind=kind, said_at=said_at)


def _read_envelope() -> dict[str, str]:
    found = _read_object(request.get_data(cache=False))
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _read_object(text: str | bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, UnicodeDecodeError) as problem:
        raise InvalidArgument("ENVELOPE_UNREADABLE", "The body is not JSON.") from problem
    if not isinstance(found, dict):
        raise InvalidArgument("ENVELOPE_UNREADABLE", "The body is not a JSON object.")
    return found


def receipts_of(event: Mapping[str, Any]) -> list[queue.Receipt]:
    """Return the receipts in an SES event; none for events that say nothing about a delivery."""
    mail = event.get("mail")
    kind = event.get("eventType") or event.get("notificationType") or ""
    if not isinstance(mail, Mapping) or not kind:
        return []
    detail = event.get(str(kind)[:1].lower() + str(kind)[1:])
    detail = detail if isinstance(detail, Mapping) else {}
    receipt = queue.Receipt(
        provider="ses",
        provider_message_id=str(mail.get("messageId", "")),
        delivery_key=_tag(mail, DELIVERY_KEY),
        status=str(kind),
        error_code=_bounce_code(detail),
    )
    if when := _moment(str(detail.get("timestamp", ""))):
        receipt.occurred_at.CopyFrom(when)
    return [receipt]


def messaging_receipts_of(event: Mapping[str, Any]) -> list[queue.Receipt]:
    """Return the receipts in an event of AWS End User Messaging; none for events that are about no text or call."""
    kind, context = str(event.get("eventType", "")), event.get("context")
    provider = _OF_MESSAGING.get(kind.partition("_")[0])
    if provider is None or not event.get("messageId"):
        return []
    key = context.get(DELIVERY_KEY, "") if isinstance(context, Mapping) else ""
    identity = str(event["messageId"])
    receipt = queue.Receipt(provider=provider, provider_message_id=identity, delivery_key=str(key), status=kind)
    told_at = event.get("eventTimestamp")
    if isinstance(told_at, int) and 0 < told_at < _LATEST_MILLISECONDS:
        receipt.occurred_at.FromMilliseconds(told_at)
    return [receipt]


def _bounce_code(detail: Mapping[str, Any]) -> str:
    parts = [detail.get(_BOUNCE_CODE, ""), detail.get("bounceSubType", "")]
    return "/".join(str(part) for part in parts if part)


def _tag(mail: Mapping[str, Any], name: str) -> str:
    tags = mail.get("tags")
    values = tags.get(name) if isinstance(tags, Mapping) else None
    return str(values[0]) if isinstance(values, list) and values else ""


def _moment(text: str) -> Timestamp | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(when if when.tzinfo else when.replace(tzinfo=UTC))
    return stamp
