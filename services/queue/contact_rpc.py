"""ContactService: proto to action to proto."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from protos.queue.v1 import contacts_pb2 as pb
from protos.queue.v1 import contacts_pb2_grpc
from services.kit.auth import current_caller
from services.kit.clock import Clock
from services.queue import suppression_words, words
from services.queue.actions import braking, contacting
from services.queue.actions.unsubscribing import Subscription, Unsubscribing
from services.queue.domain import Channel
from services.queue.message_types import MessageType
from services.queue.type_words import TYPE_NUMBERS, message_types


class ContactServicer(contacts_pb2_grpc.ContactServiceServicer):
    """Answers ContactService."""

    def __init__(self, engine: AsyncEngine, clock: Clock, unsubscribing: Unsubscribing) -> None:
        """Take what every call needs."""
        self._engine, self._clock, self._unsubscribing = engine, clock, unsubscribing

    async def GetContactStanding(
        self, request: pb.GetContactStandingRequest, context: Any
    ) -> pb.GetContactStandingResponse:
        """Say how an address or number stands."""
        found = await contacting.standing(self._engine, current_caller(), request.destination)
        answer = pb.GetContactStandingResponse(destination=contacting.normal(request.destination))
        answer.suppressions.extend(map(suppression_words.suppression, found.suppressed))
        for channel, at, is_everything, types in found.stopped:
            answer.stops.add(
                channel=words.channel_number(Channel(channel)),
                at=words.stamp(at),
                is_everything=is_everything,
                types=[TYPE_NUMBERS[MessageType(each)] for each in types],
            )
        for each in found.changes:
            answer.changes.add(
                channel=words.channel_number(Channel(each.channel)),
                action=each.action,
                reason=each.reason,
                person_name=each.person_name,
                at=words.stamp(each.changed_at),
                message_type=TYPE_NUMBERS[MessageType(each.message_type)] if each.message_type else None,
            )
        return answer

    async def ListSuppressions(self, request: pb.ListSuppressionsRequest, context: Any) -> pb.ListSuppressionsResponse:
        """Say what is not written to."""
        sought, after, size = suppression_words.read(request)
        # One more than the page has tells whether another follows.
        found, total = await contacting.suppressed(self._engine, current_caller(), sought, after, size + 1)
        answer = pb.ListSuppressionsResponse(total=total)
        answer.suppressions.extend(map(suppression_words.suppression, found[:size]))
        if len(found) > size:
            answer.next = suppression_words.next_page(found[size - 1])
        return answer

    async def LiftSuppression(self, request: pb.LiftSuppressionRequest, context: Any) -> pb.LiftSuppressionResponse:
        """Write to them again."""
        lifted = await contacting.lift(self._engine, self._clock, current_caller(), request.destinations)
        return pb.LiftSuppressionResponse(lifted=lifted)

    async def SetConsent(self, request: pb.SetConsentRequest, context: Any) -> pb.SetConsentResponse:
        """Stop and start types of messages."""
        wish = contacting.Wish(
            words.channel(request.channel),
            request.destination,
            message_types("/stop", request.stop),
            message_types("/start", request.start),
            request.reason,
        )
        await contacting.set_consent(self._engine, self._clock, current_caller(), wish)
        return pb.SetConsentResponse()

    async def GetEmergencyExemption(
        self, request: pb.GetEmergencyExemptionRequest, context: Any
    ) -> pb.GetEmergencyExemptionResponse:
        """Say whether emergencies ask nobody's consent."""
        answer = pb.GetEmergencyExemptionResponse()
        for each in await contacting.exemption(self._engine, current_caller()):
            at = words.stamp(each.changed_at)
            answer.changes.add(is_on=each.is_on, reason=each.reason, person_name=each.person_name, at=at)
        return answer

    async def SetEmergencyExemption(
        self, request: pb.SetEmergencyExemptionRequest, context: Any
    ) -> pb.SetEmergencyExemptionResponse:
        """Let emergencies ask nobody's consent, or again."""
        caller, is_on, reason = current_caller(), request.is_on, request.reason
        await contacting.set_exemption(self._engine, self._clock, caller, to=is_on, reason=reason)
        return pb.SetEmergencyExemptionResponse()

    async def GetSubscription(self, request: pb.GetSubscriptionRequest, context: Any) -> pb.GetSubscriptionResponse:
        """Say what a link is about."""
        found = await self._unsubscribing.show(request.link)
        return pb.GetSubscriptionResponse(subscription=_subscription(found))

    async def SetSubscription(self, request: pb.SetSubscriptionRequest, context: Any) -> pb.SetSubscriptionResponse:
        """Unsubscribe, or subscribe again."""
        found = await self._unsubscribing.change(request.link, is_wanted=request.is_wanted)
        return pb.SetSubscriptionResponse(subscription=_subscription(found))

    async def GetMailBrake(self, request: pb.GetMailBrakeRequest, context: Any) -> pb.GetMailBrakeResponse:
        """Say whether ordinary e-mail is held back."""
        brake = await braking.standing(self._engine)
        if brake is None:
            return pb.GetMailBrakeResponse()
        mailing = brake.mailing
        numbers = {"answered": mailing.answered, "bounced": mailing.bounced, "complained": mailing.complained}
        return pb.GetMailBrakeResponse(is_held_back=True, since=words.stamp(brake.set_at), **numbers)

    async def ReleaseMailBrake(self, request: pb.ReleaseMailBrakeRequest, context: Any) -> pb.ReleaseMailBrakeResponse:
        """Let e-mail go again."""
        await braking.release(self._engine, self._clock, current_caller(), request.reason)
        return pb.ReleaseMailBrakeResponse()


def _subscription(found: Subscription) -> pb.Subscription:
    number = TYPE_NUMBERS[found.message_type]
    return pb.Subscription(
        masked_address=found.masked, message_type=number, is_wanted=found.is_wanted, language=found.language
    )
