"""E-mail by Amazon SES, API version 2, through boto3."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from services.kit.logs import get_logger
from services.queue import leaving, metrics
from services.queue.domain import Channel
from services.queue.merging import content_for
from services.queue.providers.aws import AwsClient, AwsSettings, Regions, failed
from services.queue.providers.base import QUICK_SECONDS, Answer, Found, Handed, MayContinue, Others, Trace
from services.queue.providers.fan_out import Places, fan_out
from services.queue.work import Delivery, Work

KEY_TAG = "delivery_key"
"""Name of the message tag that carries the delivery key; SES allows letters, digits, _ and - in names and values."""
_DAILY = "Daily message quota exceeded"
_UNVERIFIED = "Email address is not verified"
_NOT_VERIFIED = "MessageRejected/NotVerified"
_DENIED = frozenset(
    {"403", "AccessDenied", "AccessDeniedException", _NOT_VERIFIED, "MailFromDomainNotVerifiedException"}
)
"""Codes that may concern one sender alone: a policy says for each address who may send from it, and SES verifies
addresses and domains one by one, in each region anew."""
_REFUSED_SECONDS = 60.0
"""For so long a sender that was refused is not tried again."""
_LONGEST_SENDER = 320
"""SES refuses a sender, its name encoded, of more bytes."""
_LONGEST_WORD = 75
"""Of an encoded name (RFC 2047)."""
_Refused = dict[tuple[AwsClient, str], tuple[float, str]]
"""Senders that a region refused: until when they are not tried there, by time.monotonic(), and the code."""
_log = get_logger(__name__)


def _plain(work: Work, recipient: Delivery) -> str:
    return content_for(work, recipient).text


def _nowhere(work: Work, recipient: Delivery) -> str:
    return ""


@dataclass(frozen=True)
class Mailing:
    """What one channel's e-mails are."""

    channel: Channel = Channel.EMAIL
    write: Callable[[Work, Delivery], str] = _plain
    """Returns the text for one recipient."""
    unsubscribe: Callable[[Work, Delivery], str] = _nowhere
    """Returns the address at which one recipient unsubscribes; empty: nowhere."""


class SesEmail:
    """The adapter of a channel that travels by e-mail, by the first of its regions that is there (statement 311).

    SES cannot be asked about a message: its events, which carry our tag, tell everything.
    """

    name = "ses"
    tells = False

    def __init__(
        self, regions: Sequence[AwsSettings], from_address: str, configuration_set: str, mailing: Mailing | None = None
    ) -> None:
        """`from_address` is a verified sender in each region; the configuration set publishes the events.

        Plain e-mail by default.
        """
        mailing = mailing or Mailing()
        self.channel, self._mailing = mailing.channel, mailing
        self.slice_size = regions[0].concurrency
        self._places = Places(self.slice_size)
        self._regions = Regions(self.name, "sesv2", regions)
        self._from = parseaddr(from_address)[1]
        self._refused: _Refused = {}
        self._configuration = {"ConfigurationSetName": configuration_set} if configuration_set else {}

    def hand_over(
        self, work: Work, recipients: Sequence[Delivery], may_continue: MayContinue
    ) -> AsyncIterator[Sequence[Handed]]:
        """Send an e-mail to each recipient."""
        content = work.content
        title, addresses = content.from_name or content.from_title, (content.from_address or self._from, self._from)
        senders = [sender_of(title, each) for each in dict.fromkeys(addresses)]

        def send(one: Delivery) -> Awaitable[Handed]:
            arguments = self._arguments(work, one)
            return self._regions.hand_over(lambda aws: _from_first(aws, one.number, arguments, senders, self._refused))

        return fan_out(self._places, work, recipients, send, may_continue)

    def _arguments(self, work: Work, recipient: Delivery) -> dict[str, Any]:
        return {
            "Destination": {"ToAddresses": [in_ascii(recipient.destination)]},
            "Content": self._content(work, recipient),
            "EmailTags": [{"Name": KEY_TAG, "Value": tag_value(str(work.batch.key(recipient.number)))}],
            **self._configuration,
        }

    def _content(self, work: Work, recipient: Delivery) -> dict[str, Any]:
        content, text = content_for(work, recipient), self._mailing.write(work, recipient)
        headers = []
        if address := self._mailing.unsubscribe(work, recipient):
            text += leaving.line(content.message_type, address, content.language)
            headers = [{"Name": name, "Value": value} for name, value in leaving.headers(address)]
        return {
            "Simple": {
                "Subject": {"Data": content.subject or content.from_title or "Message", "Charset": "UTF-8"},
                "Body": {"Text": {"Data": text, "Charset": "UTF-8"}},
                **({"Headers": headers} if headers else {}),
            }
        }

    async def trace(self, work: Work, recipients: Sequence[Delivery], others: Others) -> Mapping[int, Trace]:
        """Answer that SES cannot tell."""
        return {each.number: Trace(Found.CANNOT_TELL) for each in recipients}

    async def ask(self, provider_message_ids: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Answer nothing: SES tells by events alone."""
        return {}

    async def close(self) -> None:
        """End the connections."""
        await self._regions.close()


async def _from_first(
    aws: AwsClient, number: int, arguments: dict[str, Any], senders: Sequence[str], refused: _Refused
) -> Handed:
    """Return the answer to the first of the senders, the message's and ours, from which our key may send.

    Where it may not from ours either, it is the account that is refused. A refusal that came late leaves no time for
    another: one hand-over lasts little longer than one request in each region. Such a delivery is tried again at once,
    and then from ours.
    """
    if len(senders) == 1:
        return await _send(aws, number, {"FromEmailAddress": senders[0], **arguments})
    started, own = time.monotonic(), (aws, parseaddr(senders[0])[1])
    until, code = refused.get(own, (0.0, ""))
    if until <= started:
        handed = await _send(aws, number, {"FromEmailAddress": senders[0], **arguments})
        code, now = handed.code, time.monotonic()
        if not _DENIED & {code, code.partition("/")[0]}:
            return handed
        refused[own] = now + _REFUSED_SECONDS, code
        _log.warning("sender_refused", provider=SesEmail.name, code=code)
        if now - started > QUICK_SECONDS:
            return Handed(number, Answer.NOT_TRIED)
    metrics.sender_refused.add(1, {"provider": SesEmail.name, "code": code})
    return await _send(aws, number, {"FromEmailAddress": senders[-1], **arguments})


async def _send(aws: AwsClient, number: int, arguments: dict[str, Any]) -> Handed:
    try:
        answer = await aws.call(aws.client.send_email, **arguments)
    except (BotoCoreError, ClientError) as problem:
        if _DAILY in str(problem):
            # SES says so also with the code of too much haste, for which one waits and of which nobody is told.
            return Handed(number, Answer.UNREACHABLE, code="LimitExceededException")
        if _UNVERIFIED in str(problem) and arguments["Destination"]["ToAddresses"][0] not in str(problem):
            # SES gives it the code of a text that it will not have, of which the family's row would speak. Where an
            # account may write to verified recipients only, it says the same of a recipient.
            return Handed(number, Answer.UNREACHABLE, code=_NOT_VERIFIED)
        return failed(SesEmail.name, number, problem)
    return Handed(number, Answer.TAKEN, provider_message_id=str(answer["MessageId"]))


def tag_value(key: str) -> str:
    """Return a delivery key as a tag's value, which may hold no dots."""
    return key.replace(".", "_")


def sender_of(title: str, address: str) -> str:
    """Return name and address as SES takes them; a name that would be too long loses its end."""
    name, address = " ".join(title.split()), in_ascii(address)
    while name and len(sender := _named(name, address)) > _LONGEST_SENDER:
        name = name[: len(name) * 9 // 10].rstrip()
    return sender if name else address


def _named(name: str, address: str) -> str:
    if name.isascii():
        return str(Address(display_name=name, addr_spec=address))
    # SES has no SMTPUTF8: other letters would reach the families broken.
    return f"{Header(name, 'utf-8', maxlinelen=_LONGEST_WORD).encode(linesep='')} <{address}>"


def in_ascii(address: str) -> str:
    """Return an address with its domain in Punycode. SES refuses other letters before the @, whatever one does."""
    local, _, domain = address.rpartition("@")
    return address if address.isascii() else f"{local}@{domain.encode('idna').decode()}"
