"""What a call says, as TwiML: a text read aloud in the voice of its language, or a recording played."""

from twilio.twiml.voice_response import VoiceResponse

_VOICES = {
    "ar": ("arb", "Polly.Zeina"),
    "de": ("de-DE", "Polly.Vicki-Neural"),
    "en": ("en-US", "Polly.Joanna-Neural"),
    "es": ("es-US", "Polly.Lupe-Neural"),
    "fr": ("fr-CA", "Polly.Gabrielle-Neural"),
    "hi": ("hi-IN", "Polly.Kajal-Neural"),
    "it": ("it-IT", "Polly.Bianca-Neural"),
    "ja": ("ja-JP", "Polly.Takumi-Neural"),
    "ko": ("ko-KR", "Polly.Seoyeon-Neural"),
    "pl": ("pl-PL", "Polly.Ola-Neural"),
    "pt": ("pt-BR", "Polly.Camila-Neural"),
    "ru": ("ru-RU", "Polly.Tatyana"),
    "vi": ("vi-VN", "Google.vi-VN-Standard-A"),
    "zh": ("cmn-CN", "Polly.Zhiyu-Neural"),
}
"""Twilio's language and voice by the first part of a BCP 47 tag."""


def voice_of(language: str) -> tuple[str, str]:
    """Return Twilio's language and voice for a BCP 47 tag; English for one that Twilio does not speak."""
    return _VOICES.get(language.partition("-")[0].lower(), _VOICES["en"])


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
