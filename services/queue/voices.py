"""Which languages a call speaks, and in which voices of Twilio and of its standby; pure."""

from typing import Final

_VOICES: Final = {
    "ar": ("arb", "Polly.Zeina"),
    "de": ("de-DE", "Polly.Vicki-Neural"),
    "en": ("en-US", "Polly.Joanna-Neural"),
    "es": ("es-US", "Polly.Lupe-Neural"),
    "fr": ("fr-CA", "Polly.Gabrielle-Neural"),
    "hi": ("hi-IN", "Polly.Kajal-Neural"),
    # No voice speaks Haitian Creole. It is spelled as it sounds, and a French voice makes its sounds.
    "ht": ("fr-CA", "Polly.Gabrielle-Neural"),
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
_STANDBY_VOICES: Final = {
    "ar": "ZEINA",
    "de": "VICKI",
    "en": "JOANNA",
    "es": "LUPE",
    "fr": "CHANTAL",
    # As with Twilio.
    "ht": "CHANTAL",
    "it": "BIANCA",
    "ja": "TAKUMI",
    "ko": "SEOYEON",
    "pl": "EWA",
    "pt": "CAMILA",
    "ru": "TATYANA",
    "zh": "ZHIYU",
}
"""Those of AWS End User Messaging, which has none for Hindi and Vietnamese."""


def voice_of(language: str) -> tuple[str, str]:
    """Return Twilio's language and voice for a BCP 47 tag; English for one that Twilio does not speak."""
    return _VOICES.get(_first(language), _VOICES["en"])


def standby_voice_of(language: str) -> str:
    """Return the standby's voice for a BCP 47 tag: English where Twilio's is; empty where only Twilio has one."""
    return _STANDBY_VOICES.get(_first(language) if is_spoken(language) else "en", "")


def is_spoken(language: str) -> bool:
    """Tell whether a call can be made in a language."""
    return _first(language) in _VOICES


def _first(language: str) -> str:
    return language.partition("-")[0].lower()
