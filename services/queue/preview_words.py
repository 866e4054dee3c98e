"""Previews as protos: reasons in sentences, segments and their price."""

from protos.queue.v1 import queue_pb2 as pb
from services.queue import words
from services.queue.actions.previewing import DUPLICATE, NO_DEVICE, ChannelPreview
from services.queue.domain import Channel
from services.queue.failures import explain
from services.queue.segments import segments_of

_SENTENCES = {
    DUPLICATE: "The same contact as another recipient: sent once per family.",
    NO_DEVICE: "No device with the app.",
}


def channel_preview(found: ChannelPreview, segment_price: float) -> pb.ChannelPreview:
    """Return what one channel would do; `segment_price` is in dollars, 0 when it is not known."""
    message = pb.ChannelPreview(
        channel=words.channel_number(found.channel),
        goes_out=found.goes_out,
        inbox_only=found.inbox_only,
        waiting=found.waiting,
        waits_until=words.stamp(found.waits_until),
    )
    for reason, how_many in sorted(found.left_out.items(), key=lambda pair: (-pair[1], pair[0])):
        sentence = _SENTENCES.get(reason) or explain("lantern", reason).sentence
        message.left_out.add(reason=reason, sentence=sentence, count=how_many)
    if found.channel is Channel.SMS:
        taken = segments_of(found.text)
        message.segments, message.is_unicode, message.characters = taken.count, taken.is_unicode, taken.characters
        message.price_cents = round(100 * segment_price * taken.count * found.goes_out)
    return message
