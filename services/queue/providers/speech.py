"""What a call says, as TwiML: a text read aloud in the voice of its language, or a recording played."""

from twilio.twiml.voice_response import VoiceResponse

from services.queue.voices import voice_of


def said(text: str, language: str) -> str:
    """Return the TwiML that reads a text aloud, after a second in which the phone reaches the ear."""
    spoken, voice = voice_of(language)
    response = VoiceResponse()
    response.pause(length=1)
    response.say(text, language=spoken, voice=voice)
    return str(response)


def played(address: str) -> str:
    """Return the TwiML that plays the recording at an address."""
    response = VoiceResponse()
    response.pause(length=1)
    response.play(address)
    return str(response)
