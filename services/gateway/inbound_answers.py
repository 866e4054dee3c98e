"""What a family reads that texts STOP, START or HELP in its language. Twilio answers the English words."""

import json
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from protos.queue.v1 import queue_pb2 as queue

CATALOGUE: Final[dict[str, dict[str, str]]] = json.loads(
    Path(__file__).with_name("inbound_answers.json").read_text(encoding="utf-8")
)
"""Sentences by language and action; {name} is the district's. "emergencies" follows "stopped" where it is true."""
_TWIML: Final = '<?xml version="1.0" encoding="UTF-8"?><Response>{}</Response>'


def twiml(found: queue.RecordInboundResponse | None, name: str) -> str:
    """Return the answer to an inbound text as Twilio sends it; empty for none, and where Twilio answers by itself."""
    text = _text(found, name) if found else ""
    return _TWIML.format(f"<Message>{escape(text)}</Message>" if text else "")


def _text(found: queue.RecordInboundResponse, name: str) -> str:
    said = CATALOGUE.get(found.language, {})
    text = said.get(found.action, "").format(name=name)
    return f"{text} {said['emergencies']}" if found.action == "stopped" and text and found.emergencies_come else text
