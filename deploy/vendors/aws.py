"""What the simulated AWS services share: the signature check and the shapes of errors in each protocol."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from xml.sax.saxutils import escape

from aiohttp import web

from deploy.vendors.core import Core, retry_after
from deploy.vendors.sigv4 import SignatureProblem, check_signature

SNS_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


class AwsError(Exception):
    """A request that AWS refuses; `code` is the service's own name for it."""

    def __init__(self, code: str, message: str, status: int = 400, members: dict[str, str] | None = None) -> None:
        """`members` are further fields of the error shape."""
        super().__init__(message)
        self.code, self.message, self.status, self.members = code, message, status, members or {}


def new_id() -> str:
    """A request or message id as AWS writes them."""
    return str(uuid.uuid4())


_SIGNATURE_CODES = {
    "sns": {"UnrecognizedClient": "InvalidClientTokenId", "InvalidSignature": "SignatureDoesNotMatch"},
    "json": {"UnrecognizedClient": "UnrecognizedClientException", "InvalidSignature": "InvalidSignatureException"},
}


async def read_signed(core: Core, request: web.Request, service: str) -> bytes:
    """The body of a correctly signed request. Raises AwsError 403 in the service's words."""
    body = await request.read()
    settings = core.settings
    try:
        check_signature(request, body, settings.aws_access_key_id, settings.aws_secret_access_key, service)
    except SignatureProblem as problem:
        words = _SIGNATURE_CODES["sns" if service == "sns" else "json"]
        plain = problem.code if service == "sns" else f"{problem.code}Exception"
        raise AwsError(words.get(problem.code, plain), str(problem), 403) from problem
    return body


def json_error(error: AwsError, retry_after_seconds: float | None = None) -> web.Response:
    """An error of a REST-JSON or JSON 1.1 service."""
    body = {"__type": error.code, "message": error.message, "Message": error.message, **error.members}
    headers = {"x-amzn-ErrorType": error.code, "x-amzn-RequestId": new_id(), **retry_after(retry_after_seconds)}
    return web.Response(text=json.dumps(body), status=error.status, content_type="application/json", headers=headers)


def json_answer(members: dict[str, object]) -> web.Response:
    """The answer of a REST-JSON service."""
    headers = {"x-amzn-RequestId": new_id()}
    return web.Response(text=json.dumps(members), content_type="application/json", headers=headers)


def query_error(error: AwsError, retry_after_seconds: float | None = None) -> web.Response:
    """An error of a query-protocol service (SNS)."""
    kind = "Receiver" if error.status >= 500 else "Sender"
    text = (
        f'<ErrorResponse xmlns="{SNS_NAMESPACE}"><Error><Type>{kind}</Type><Code>{error.code}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{new_id()}</RequestId></ErrorResponse>"
    )
    headers = retry_after(retry_after_seconds)
    return web.Response(text=text, status=error.status, content_type="text/xml", headers=headers)


def outage(
    words: dict[int, tuple[str, str]], render: Callable[[AwsError, float | None], web.Response]
) -> Callable[[int, float | None], web.Response]:
    """How a service words 429 and 500: `words` gives code and message for each."""

    def answer(status: int, retry_after_seconds: float | None) -> web.Response:
        code, message = words[status]
        return render(AwsError(code, message, status), retry_after_seconds)

    return answer
