"""The embedded model from the command line: JSON lines in, JSON lines out, in the same order; no server needed."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.scoring import Scores, load_model

DEFAULT_POLICY = Path(__file__).with_name("model") / "default_policy.json"
_NO_MESSAGE: dict[str, object] = {
    "error": "A message is an object with a text and, if it is known, a lang: both strings."
}


@dataclass(frozen=True, slots=True)
class DefaultPolicy:
    """Hold and watch thresholds (0..1) per category, chosen with the model; a district may set its own."""

    hold: dict[str, float]
    watch: dict[str, float]

    def held(self, scores: Scores) -> list[str]:
        """Return the categories that hold the message, in the order of CATEGORIES."""
        return [name for name in CATEGORIES if getattr(scores, name) >= self.hold[name]]

    def watched(self, scores: Scores) -> bool:
        """Return whether a person should look: a score near its threshold, an encoding, an unknown language."""
        near = any(getattr(scores, name) >= self.watch[name] for name in CATEGORIES)
        return near or scores.encoded or scores.confidence < 0.5


def load_default_policy(path: Path = DEFAULT_POLICY) -> DefaultPolicy:
    """Return the policy that lies beside the model; raises OSError or KeyError when the file is not whole."""
    stored = json.loads(path.read_text(encoding="utf-8"))["categories"]
    return DefaultPolicy(*({name: float(stored[name][kind]) for name in CATEGORIES} for kind in ("hold", "watch")))


def main(stdin: BinaryIO, stdout: TextIO) -> int:
    """Answer each line ``{"text", "lang"?}`` with its scores, and a line that is no such object with ``error``.

    Empty lines are passed over. Return 1 when a line was no message, else 0.
    """
    model, policy = load_model(), load_default_policy()
    failed = False
    for line in stdin:
        if not line.strip():
            continue
        try:
            text, lang = _read(line)
        # Brackets within brackets without end are more than the reader of JSON can follow.
        except (ValueError, RecursionError):
            answer, failed = _NO_MESSAGE, True
        else:
            answer = _answer(model.score(text, lang), policy)
        stdout.write(json.dumps(answer) + "\n")
        stdout.flush()
    return int(failed)


def _read(line: bytes) -> tuple[str, str | None]:
    """Return a message and its language. ValueError for what is none: nothing is judged as something else."""
    # Some programs begin what they write with a mark of its bytes' order.
    item = json.loads(line.decode("utf-8-sig"))
    text, lang = (item.get("text"), item.get("lang")) if isinstance(item, dict) else (None, None)
    if not isinstance(text, str) or not isinstance(lang, str | None):
        raise ValueError
    return text, lang


def _answer(scores: Scores, policy: DefaultPolicy) -> dict[str, object]:
    labels = policy.held(scores)
    return {
        "scores": scores.as_dict(),
        "held": bool(labels),
        "watch": policy.watched(scores),
        "labels": labels,
        "model": scores.model,
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.stdin.buffer, sys.stdout))
