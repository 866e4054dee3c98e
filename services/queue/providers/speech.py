"""What a call says: a text read aloud in the voice of its language, or a recording played; as TwiML, or as SSML."""

import re
from xml.sax.saxutils import escape

from twilio.twiml.voice_response import VoiceResponse

from services.queue.voices import voice_of

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def said(text: str, language: str) -> str:
    """Return the TwiML that reads a text aloud, after a second in which the phone reaches the ear."""
    spoken, voice = voice_of(language)
    response = VoiceResponse()
    response.pause(length=1)
    response.say(_readable(text), language=spoken, voice=voice)
    return str(response)


def ssml(text: str) -> str:
    """Return the SSML that reads a text aloud likewise; the voice is named beside it."""
    return f'<speak><break time="1s"/>{escape(_readable(text))}</speak>'


def played(address: str) -> str:
    """Return the TwiML that plays the recording at an address."""
    response = VoiceResponse()
    response.pause(length=1)
    response.play(address)
    return str(response)


def _readable(text: str) -> str:
    """Return the text without characters that no XML may hold: a form feed, say, would leave the call silent."""
    return _NOT_IN_XML.sub(" ", text)
