"""Forms that cannot be drawn while a service is away: what was filled in is kept on a page that sends it again."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import make_response, render_template, request

from services.gateway.problems import AWAY, STATUS, shown


def keeps_form(view: Callable[..., Any]) -> Callable[..., Any]:
    """Answer, where the view fails since a service does not answer, with all that was filled in, to be sent again.

    For views that may be called twice with the same form.
    """

    @wraps(view)
    def kept(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except AWAY as problem:
            fields = [(name, value) for name, value in request.form.items(multi=True) if name != "csrf_token"]
            page = render_template("kept.html", problem=shown(problem), fields=fields, address=request.path)
            return make_response(page, STATUS[type(problem)])

    return kept
