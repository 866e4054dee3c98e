"""Unsubscribing by the link of an e-mail, without an account (statement 306).

Mail scanners open links: GET shows and changes nothing. A mail program POSTs `List-Unsubscribe=One-Click` by itself
(RFC 8058), with no cookie and following no redirection; the page's button posts `step`.
"""

from flask import Blueprint, Response, make_response, render_template, request

from protos.queue.v1 import contacts_pb2 as pb
from services.gateway import throttling
from services.gateway.access import Permission
from services.gateway.auth import requires
from services.gateway.problems import STATUS, retry_after
from services.gateway.routes.answers import render_refused
from services.gateway.state import gateway
from services.gateway.unsubscribe_words import words_of
from services.kit.errors import NotFound, ResourceExhausted, ServiceError
from services.kit.rpc_errors import translated

blueprint = Blueprint("unsubscribing", __name__)
_LINK = "/unsubscribe/<string(maxlength=200):link>"
_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
_CHANGES_BY_LINK, _WRONG_LINKS = 60, 100
_TOO_MANY = ("TOO_MANY_ANSWERS", "Too many tries. Wait some minutes.")


@blueprint.get(_LINK)
@requires(Permission.PUBLIC)
def show(link: str) -> Response:
    """Show what the link unsubscribes from."""
    try:
        return _page(_subscription(link))
    except NotFound as problem:
        return _unknown(problem)


@blueprint.post(_LINK)
@requires(Permission.PUBLIC)
def change(link: str) -> Response:
    """Unsubscribe, or subscribe again when the page's button says so."""
    wanted = pb.SetSubscriptionRequest(link=link, is_wanted=request.form.get("step") == "subscribe")
    try:
        # Counted only when it is a link: whatever else is in an address would be a row of its own.
        _subscription(link)
        limits = {throttling.key_of("unsubscribe", link): _CHANGES_BY_LINK}
        throttling.count(gateway().engine, gateway().clock, limits, _TOO_MANY)
        with translated():
            found = gateway().clients.contacts.SetSubscription(wanted, metadata=gateway().clients.as_gateway)
    except NotFound as problem:
        return _unknown(problem)
    except ResourceExhausted as problem:
        return _refused(problem)
    return _page(found.subscription, is_changed=True)


def _subscription(link: str) -> pb.Subscription:
    wanted = pb.GetSubscriptionRequest(link=link)
    with translated():
        clients = gateway().clients
        found: pb.GetSubscriptionResponse = clients.contacts.GetSubscription(wanted, metadata=clients.as_gateway)
    return found.subscription


def _page(subscription: pb.Subscription, *, is_changed: bool = False) -> Response:
    said = words_of(subscription, is_changed=is_changed)
    page = render_template("unsubscribe.html", said=said, is_wanted=subscription.is_wanted)
    response = make_response(page)
    response.headers.update(_HEADERS)
    return response


def _unknown(problem: NotFound) -> Response:
    """Count a link that is none: after many from one address its holder waits."""
    try:
        limits = {throttling.key_of_address("wrong link", request.remote_addr or ""): _WRONG_LINKS}
        throttling.count(gateway().engine, gateway().clock, limits, _TOO_MANY)
    except ResourceExhausted as too_many:
        return _refused(too_many)
    return _refused(problem)


def _refused(problem: ServiceError) -> Response:
    response = make_response(render_refused(problem), STATUS[type(problem)])
    response.headers.update(_HEADERS)
    response.headers.update(retry_after(problem))
    return response
