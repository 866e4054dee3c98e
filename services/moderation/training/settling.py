"""Weighs the members and chooses the policy, once the members are trained; needs no torch."""

from dataclasses import dataclass
from pathlib import Path

from services.moderation.model import artefact
from services.moderation.model.scoring import load_parts
from services.moderation.training import data
from services.moderation.training.judging import hear, score_rows
from services.moderation.training.mixing import even_mixtures, fit_mixtures, write_mixtures
from services.moderation.training.thresholds import choose, write_policy


@dataclass(frozen=True, slots=True)
class Places:
    """Folders: the public data, the artefacts, the cache of finished stages; the file of the policy.

    ``sample`` is how many rows of our own and how many public ones to learn from at most, to see that everything runs.
    """

    public: Path
    out: Path
    cache: Path
    policy: Path
    sample: int | None = None

    def rows(self) -> tuple[list[data.Row], list[data.Row]]:
        """Return our own rows and the public ones."""
        return data.part_of(data.read_corpus(), self.sample), data.part_of(data.read_public(self.public), self.sample)


def settle(places: Places) -> str:
    """Weigh the members and choose the policy on the dev rows, then write the manifest; return the version."""
    own, public = places.rows()
    dev = [row for row in own + public if row.split == "dev"]
    write_mixtures(even_mixtures(), places.out)
    heard = hear(load_parts(places.out), dev)
    mixtures = fit_mixtures(heard)
    write_mixtures(mixtures, places.out)
    write_policy(choose([each.row for each in heard], score_rows(heard, mixtures)), places.policy)
    return artefact.write_manifest(places.out)
