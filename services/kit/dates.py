"""How a moment is written in the languages that families are spoken to in, and what a zone is called there.

Names and order are those of Unicode's CLDR, but for Haitian Creole, which has none there.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class _Words:
    months: str
    """Twelve words."""
    weekdays: str
    """Seven words from Monday on."""
    moment: str
    zone: str
    halves: tuple[str, str] = ("am", "pm")


_WORDS: Final = {
    "en": _Words(
        "January February March April May June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "{weekday}, {day} {month} {year}, {hour12}:{minute} {half}",
        "{city} time",
    ),
    "es": _Words(
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "lunes martes miércoles jueves viernes sábado domingo",
        "{weekday}, {day} de {month} de {year}, {hour12}:{minute} {half}",
        "hora de {city}",
        ("a. m.", "p. m."),
    ),
    "fr": _Words(
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "{weekday} {day} {month} {year} à {hour24} h {minute}",
        "heure de {city}",
    ),
    "ht": _Words(
        "janvye fevriye mas avril me jen jiyè out septanm oktòb novanm desanm",
        "lendi madi mèkredi jedi vandredi samdi dimanch",
        "{weekday} {day} {month} {year}, {hour12}:{minute} {half}",
        "lè {city}",
    ),
    "pt": _Words(
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "segunda-feira terça-feira quarta-feira quinta-feira sexta-feira sábado domingo",
        "{weekday}, {day} de {month} de {year}, {hour24}:{minute}",
        "horário de {city}",
    ),
}
SPOKEN: Final = frozenset(_WORDS)
"""Languages in which we speak to families in our own words; what they are sent may be in any."""


def is_spoken(language: str) -> bool:
    """Tell whether we speak the language of a BCP 47 tag."""
    return _base(language) in SPOKEN


def spoken(language: str) -> str:
    """Return the language of a BCP 47 tag if we speak it, else English."""
    return _base(language) if is_spoken(language) else "en"


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def written(moment: datetime, zone: ZoneInfo, language: str = "en") -> str:
    """Return "Monday, 30 November 2026, 8:00 am" in the zone, as a language of SPOKEN has it."""
    local, words = moment.astimezone(zone), _WORDS[language]
    return words.moment.format(
        weekday=words.weekdays.split()[local.weekday()],
        day=local.day,
        month=words.months.split()[local.month - 1],
        year=local.year,
        hour12=local.hour % 12 or 12,
        hour24=local.hour,
        minute=f"{local.minute:02d}",
        half=words.halves[local.hour >= 12],
    )


def zone_name(zone: str, language: str = "en") -> str:
    """Return how a zone is called in a sentence: "New York time"."""
    return _WORDS[language].zone.format(city=zone.rpartition("/")[2].replace("_", " "))
