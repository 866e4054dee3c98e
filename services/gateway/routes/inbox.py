"""The portal inbox and the sent box."""

from flask import Blueprint, render_template, request

from protos.queue.v1 import queue_pb2 as queue
from protos.types.v1 import types_pb2 as types
from services.gateway import answering, crisis, steering
from services.gateway.access import Permission
from services.gateway.answer_words import answer_words
from services.gateway.auth import requires
from services.gateway.parameters import Text, Tick
from services.gateway.routes.entries import is_original
from services.gateway.searches import PAGE, PAGE_SIZE, read_number, whole
from services.gateway.state import gateway, person
from services.gateway.words import SURVEYS
from services.kit.rpc_errors import translated

blueprint = Blueprint("inbox", __name__)
QUERY = Text("q", "Words of a subject, of a sender's name or of a text.")
UNREAD = Tick("unread", "What was not read yet, alone.")
_MOST_TRIES = 5


def page_request() -> types.PageRequest:
    """Return the page that the address asks for."""
    return types.PageRequest(number=read_number(request.args, PAGE), size=PAGE_SIZE)


def list_inbox() -> queue.ListInboxResponse:
    """Return a page of the signed-in person's inbox."""
    wanted = queue.ListInboxRequest(
        query=QUERY.read(request.args).strip(), is_unread=UNREAD.is_ticked(request.args), page=page_request()
    )
    with translated():
        answer: queue.ListInboxResponse = gateway().clients.queue.ListInbox(wanted)
    return answer


def list_sent() -> queue.ListSentBoxResponse:
    """Return a page of what the signed-in person sent."""
    with translated():
        wanted = queue.ListSentBoxRequest(page=page_request())
        answer: queue.ListSentBoxResponse = gateway().clients.queue.ListSentBox(wanted)
    return answer


def get_message(message_id: str) -> queue.GetInboxMessageResponse:
    """Return a message of the signed-in person's inbox or sent box, and note that it was read."""
    with translated():
        wanted = queue.GetInboxMessageRequest(message_id=message_id)
        answer: queue.GetInboxMessageResponse = gateway().clients.queue.GetInboxMessage(wanted)
    return answer


@blueprint.get("/inbox")
@requires(Permission.SIGNED_IN)
def inbox() -> str:
    """Show the inbox, newest first."""
    return render_template("inbox.html", answer=list_inbox(), box="inbox", query=request.args.get("q", ""))


@blueprint.get("/sent")
@requires(Permission.SIGNED_IN)
def sent() -> str:
    """Show what the person sent, newest first."""
    return render_template("inbox.html", answer=list_sent(), box="sent", query="")


@blueprint.get("/<any(inbox, sent):box>/<uuid:message_id>")
@requires(Permission.SIGNED_IN)
def message(box: str, message_id: str) -> str:
    """Show one message, with what it asks."""
    return show_message(str(message_id), box, whole(request.args.get("answered", "")))


@blueprint.get("/sent/<uuid:message_id>/notice")
@requires(Permission.SIGNED_IN)
def notice(message_id: str) -> str:
    """Show the crisis notice beside what was just sent, if there is reason to; else ask a few times more."""
    item = get_message(str(message_id)).item
    tries = min(whole(request.args.get("tries", "")), _MOST_TRIES)
    return render_template(
        "crisis_notice.html", notice=crisis.notice(item, person()), message_id=item.message_id, tries=tries
    )


def show_message(message_id: str, box: str, answered: int = 0, refused: answering.Shown | None = None) -> str:
    """Return the page of a message; `answered` is the delivery whose answer was stored, `refused` one that was not."""
    answer = get_message(message_id)
    is_survey = answer.item.survey_channel in SURVEYS
    address = f"/{box}/{message_id}"
    return render_template(
        "inbox_message.html",
        answer=answer,
        box=box,
        asked=answering.all_in_inbox(message_id, answered, refused) if box == "inbox" and is_survey else [],
        own=answering.own(message_id) if box == "sent" and is_survey else None,
        said=answer_words("en", gateway().zone),
        notice=crisis.notice(answer.item, person()) if box == "sent" else "",
        waiting=steering.waiting(steering.managed(message_id, person()) if box == "sent" else None),
        is_original=is_original(),
        here=lambda original: f"{address}?original={original}" if original else address,
    )
