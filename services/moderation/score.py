"""The embedded model from the command line: JSON lines in, JSON lines out, in the same order; no server needed."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from services.moderation.model.categories import CATEGORIES
from services.moderation.model.scoring import Scores, load_model

DEFAULT_POLICY = Path(__file__).with_name("model") / "default_policy.json"


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


def main(stdin: TextIO = sys.stdin, stdout: TextIO = sys.stdout) -> int:
    """Answer each line ``{"text", "lang"?}`` with its scores, and a line that is no such object with ``error``."""
    model, policy = load_model(), load_default_policy()
    failed = False
    for line in stdin:
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            answer = _answer(model.score(str(item["text"]), item.get("lang")), policy)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            answer, failed = {"error": f"Not a message: {type(error).__name__}"}, True
        stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        stdout.flush()
    return int(failed)


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
    raise SystemExit(main())
