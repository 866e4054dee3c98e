"""Trains and measures the embedded model: ``make train DATA=… `` runs ``python -m services.moderation.training train``.

``settle`` only weighs the members and chooses thresholds again; ``evaluate`` measures and writes the model card. With
``--sample`` it learns from a few rows only, to see that everything runs; name other places then: the result is poor.
"""

import argparse
from pathlib import Path

from services.moderation.model.artefact import ARTEFACTS
from services.moderation.score import DEFAULT_POLICY
from services.moderation.training.settling import Places, settle


def main() -> None:
    """Read the arguments and run the one command that was asked for."""
    parser = argparse.ArgumentParser(prog="python -m services.moderation.training", description=__doc__)
    parser.add_argument("command", nargs="?", default="train", choices=["train", "settle", "evaluate"])
    parser.add_argument("--data", type=Path, required=True, help="folder of the public files (*.jsonl.gz)")
    parser.add_argument("--out", type=Path, default=ARTEFACTS, help="folder of the artefacts")
    parser.add_argument("--cache", type=Path, default=Path(".local/training-cache"), help="folder of finished stages")
    parser.add_argument("--policy", type=Path, default=DEFAULT_POLICY, help="file of the default policy")
    parser.add_argument("--sample", type=int, help="learn from so many rows only: to see that it runs")
    parser.add_argument("--card", type=Path, default=Path("docs/model-card.md"), help="where the model card goes")
    given = parser.parse_args()
    places = Places(given.data, given.out, given.cache, given.policy, given.sample)
    # Each command imports only what it needs: torch is there only where one trains.
    if given.command == "evaluate":
        from services.moderation.training.evaluate import evaluate  # noqa: PLC0415

        evaluate(places, given.card)
    elif given.command == "settle":
        print(f"model {settle(places)}")
    else:
        from services.moderation.training.train import train  # noqa: PLC0415

        print(f"model {train(places)}")


if __name__ == "__main__":
    main()
