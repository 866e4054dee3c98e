"""Trains and measures the embedded model: ``make train DATA=… `` runs ``python -m services.moderation.training train``.

``settle`` only weighs the members and chooses thresholds again; ``evaluate`` measures and writes the model card.
"""

import argparse
from pathlib import Path

from services.moderation.model.artefact import ARTEFACTS


def main() -> None:
    """Read the arguments and run the one command that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m services.moderation.training", description=__doc__)
    parser.add_argument("command", nargs="?", default="train", choices=["train", "settle", "evaluate"])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files (*.jsonl.gz)")
    parser.add_argument("--out", type=Path, default=ARTEFACTS, help="folder of the artefacts")
    parser.add_argument("--cache", type=Path, default=Path(".local/training-cache"), help="folder of finished stages")
    parser.add_argument("--card", type=Path, default=Path("docs/model-card.md"), help="where the model card goes")
    given = parser.parse_args()
    if given.command == "evaluate":
        # Each command imports only what it needs: torch is there only where one trains.
        from services.moderation.training.evaluate import evaluate  # noqa: PLC0415

        evaluate(given.out, given.data, given.card)
        return
    from services.moderation.training.train import Places, settle, train  # noqa: PLC0415

    places = Places(given.data, given.out, given.cache)
    print(f"model {train(places) if given.command == 'train' else settle(places)}")


if __name__ == "__main__":
    main()
