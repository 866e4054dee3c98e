"""Addresses, numbers and device tokens: fictional ones only, some of them missing or unusable at documented rates.

Numbers are +1 NXX 555 01XX: the hundred lines of each area code that are reserved for fiction. Addresses end in
example.org, example.com or example.net, which RFC 2606 reserves. A few are of the kinds to which the vendor simulator
answers with a failure or a late receipt (`deploy/vendors/outcomes.py`), so that live traffic has something to report.
"""

import random
import unicodedata
from typing import Any

from deploy.local.district.source import data

# Lines 0185 to 0199 are the simulator's to fail; the others arrive.
RELIABLE_LINES = 85


def fold(text: str) -> str:
    """Return the ASCII letters of a name in lower case, for addresses and user names; empty when there are none."""
    plain = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(char for char in plain.lower() if char.isascii() and char.isalnum())


class ContactBook:
    """Hands out each number and address once, in an order that the seed decides.

    Raises ValueError when a district is too large for the fictional numbers that there are (about 23,000).
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._rates: dict[str, Any] = data("contacts")
        self._areas: list[str] = rng.sample(self._rates["area_codes"], len(self._rates["area_codes"]))
        self._numbers = 0
        self._troubles = 0
        self._locals: set[str] = set()

    def new_number(self, *, is_reliable: bool = False) -> str:
        """Return a fictional number nobody has yet, in E.164; now and then, unless it must be reliable, a bad one."""
        trouble = self._rates["troublesome"]["number"]
        if not is_reliable and self._rng.random() < trouble["rate"]:
            area, line = divmod(self._troubles, len(trouble["lines"]))
            self._troubles += 1
            return self._number(area, trouble["lines"][line])
        line, area = divmod(self._numbers, len(self._areas))
        self._numbers += 1
        return self._number(area, line if line < RELIABLE_LINES else RELIABLE_LINES + 100)

    def _number(self, area: int, line: int) -> str:
        if area >= len(self._areas) or line > 99:
            raise ValueError("There are not enough fictional numbers; ask for fewer students.")
        return f"+1{self._areas[area]}555{100 + line:04d}"

    def as_typed(self, number: str) -> str:
        """Return an E.164 number the way some office might have typed it."""
        form: str = self._rng.choice(self._rates["phone_forms"])
        return form.format(area=number[2:5], line=number[8:])

    def unusable_number(self) -> str:
        """Return something in the telephone field that is not a telephone number."""
        value: str = self._rng.choice(self._rates["invalid_phones"])
        return value

    def new_local(self, given: str, family: str, latin: str = "") -> str:
        """Return the part before the @ of an address nobody has yet."""
        base = latin or f"{fold(given)}.{fold(family)}"
        local, number = base, 1
        while local in self._locals:
            number += 1
            local = f"{base.rstrip('0123456789')}{number}"
        self._locals.add(local)
        return local

    def new_email(self, local: str) -> str:
        """Return an address on one of the reserved domains, now and then in capitals as people type them."""
        domain: str = self._rng.choice(self._rates["domains"])
        trouble = self._rates["troublesome"]["email"]
        if self._rng.random() < trouble["rate"]:
            return f"{local}+{self._rng.choice(trouble['boxes'])}@{domain}"
        return f"{local.title() if self._rng.random() < 0.05 else local}@{domain}"

    def unusable_email(self, local: str) -> str:
        """Return something in the e-mail field that is not an address."""
        form: str = self._rng.choice(self._rates["invalid_email_forms"])
        return form.format(local=local)

    def new_device(self) -> str:
        """Return a push token: 64 hexadecimal digits, as APNs hands them out; now and then one of a removed app."""
        trouble = self._rates["troublesome"]["device"]
        prefix = trouble["prefix"] if self._rng.random() < trouble["rate"] else ""
        return f"{prefix}{self._rng.getrandbits(256):064x}"

    def new_consent(self) -> dict[str, str]:
        """Return what a guardian said about each way of reaching them: granted, withdrawn, or nothing yet (empty)."""
        unknown = self._rng.random() < self._rates["consent_unknown"]
        return {way: self._consent(rate, unknown) for way, rate in self._rates["consent_withdrawn"].items()}

    def _consent(self, withdrawn_rate: float, is_unknown: bool) -> str:
        if self._rng.random() < withdrawn_rate:
            return "withdrawn"
        return "" if is_unknown else "granted"
