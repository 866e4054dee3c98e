"""Writes how the model scores ordinary messages of the dev part, which is what live scores are compared with.

`python -m services.moderation.training.reference`, whenever the model changed. Nearly all that students write is
harmless and plain, so that neither messages with a label count nor the hard negatives, which were written to look like
one.
"""

import json
from collections import Counter

from services.moderation.drift import EDGES, REFERENCE, step_of
from services.moderation.model.categories import CATEGORIES
from services.moderation.model.scoring import load_model
from services.moderation.training.data import read_corpus


def main() -> None:
    """Score the ordinary messages of the dev part and write the share of each step by category."""
    model = load_model()
    ordinary = [row for row in read_corpus() if row.split == "dev" and row.kind == "benign"]
    counts = {name: Counter[int]() for name in CATEGORIES}
    for row in ordinary:
        for name, score in model.score(row.text, row.lang).as_dict().items():
            counts[name][step_of(score)] += 1
    shares = {
        name: [round(found[step] / len(ordinary), 4) for step in range(len(EDGES) + 1)]
        for name, found in counts.items()
    }
    stored = {"model": model.score("", "en").model, "messages": len(ordinary), "edges": EDGES, "shares": shares}
    REFERENCE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
