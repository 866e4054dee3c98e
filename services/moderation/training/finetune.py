"""Fine-tunes a network: first on public text, then on our own corpus with some public text between. Needs torch."""

import random
import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from services.moderation.model.categories import CATEGORIES, DANGER
from services.moderation.training.lessons import Example, Lesson, Stage
from services.moderation.training.networks import Network

_DECAY_PER_LAYER, _JUDGE_RATE, _SOFTEN, _AVERAGED_FROM = 0.9, 1e-3, 0.02, 0.6
_DANGER_SAY, _APART = 1.3, 5.0


def finetune(network: Network, lesson: Lesson, stage: Stage, seed: int) -> None:
    """Run one stage.

    The network ends with the average of its weights over the last four tenths of the steps, and with ``stage.kept`` of
    those from before: halfway between, a network is often surer of both what it knew and what it learnt.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    chance = random.Random(seed)
    schedule = list(_schedule(lesson, stage, chance))
    optimiser = torch.optim.AdamW(_groups(network, stage))
    curve = _curve(optimiser, len(schedule))
    average: dict[str, Tensor] = {}
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    started = time.monotonic()
    for step, batch in enumerate(schedule):
        loss = _learn(network, optimiser, batch, stage.parting)
        curve.step()
        if step > len(schedule) * _AVERAGED_FROM and step % 10 == 0:
            _blend(average, network.state_dict(), step)
        if step % 100 == 0:
            print(
                f"{stage.name}: step {step} of {len(schedule)}, {loss:.3f}, {time.monotonic() - started:.0f} s",
                flush=True,
            )
    after = {name: value for name, value in average.items() if name != "seen"} or network.state_dict()
    network.load_state_dict({name: torch.lerp(value, before[name], stage.kept) for name, value in after.items()})
    network.eval()


def _schedule(lesson: Lesson, stage: Stage, chance: random.Random) -> Iterator[list[Example]]:
    left = stage.passes
    while left > 0:
        batches = lesson.batches(stage, chance)
        yield from batches[: int(len(batches) * min(1.0, left))]
        left -= 1


def _groups(network: Network, stage: Stage) -> list[dict[str, object]]:
    """Give deeper layers smaller steps; what the stage freezes stays as it was."""
    groups: list[dict[str, object]] = []
    for name, parameter in network.named_parameters():
        place, _, rest = name.partition(".")
        layer = int(rest.split(".")[0]) if place == "layers" else len(network.layers) if place == "judge" else -1
        is_frozen = layer < stage.frozen_layers if stage.frozen_layers else place == "words" and not stage.moves_words
        parameter.requires_grad_(not is_frozen)
        if not parameter.requires_grad:
            continue
        rate = stage.rate * _DECAY_PER_LAYER ** (len(network.layers) - 1 - layer)
        groups.append(
            {
                "params": [parameter],
                "lr": min(_JUDGE_RATE, 6 * stage.rate) if place == "judge" else rate,
                "weight_decay": 0.01 if parameter.ndim > 1 else 0.0,
            }
        )
    return groups


def _curve(optimiser: torch.optim.Optimizer, total: int) -> torch.optim.lr_scheduler.LambdaLR:
    warm = max(20, total // 15)

    def rate(step: int) -> float:
        return (step + 1) / warm if step < warm else max(0.03, (total - step) / (total - warm))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, rate)


def _learn(network: Network, optimiser: torch.optim.Optimizer, batch: list[Example], parting: float) -> float:
    labels = torch.tensor([example.labels for example in batch])
    weights = torch.tensor([example.weight for example in batch])
    say = torch.tensor([_DANGER_SAY if name in DANGER else 1.0 for name in CATEGORIES])
    known = (~labels.isnan()).float() * weights[:, None] * say
    # Half precision takes a third of the time and the weights stay in full.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(*padded([example.numbers for example in batch]))
    target = labels.nan_to_num() * (1 - _SOFTEN) + _SOFTEN / 2
    losses = nn.functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    loss = (losses * _hardness(losses) * known).sum() / len(batch)
    if parting:
        loss = loss + parting * _closeness(logits.float(), labels, batch) / len(batch)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_([p for p in network.parameters() if p.requires_grad], 4.0)
    optimiser.step()
    return float(loss.detach())


def _hardness(losses: Tensor) -> Tensor:
    """Return how much each loss counts, 0 to 2: what the network is sure of hardly does (focal loss, exponent one)."""
    return 2 * (1 - torch.exp(-losses.detach()))


def _closeness(logits: Tensor, labels: Tensor, batch: list[Example]) -> Tensor:
    """Return how far the twins of the batch are from log-odds ``_APART`` apart, where only one of them has the label.

    Twins differ in a few words, so that whoever tells them apart has read those words.
    """
    seen: dict[str, int] = {}
    twins = [(seen.setdefault(one.pair, i), i) for i, one in enumerate(batch) if one.pair]
    first, second = torch.tensor(twins, dtype=torch.long).reshape(-1, 2).T
    sign = (labels[first] - labels[second]).nan_to_num()
    gap = (logits[first] - logits[second]) * sign
    return (nn.functional.softplus(_APART - gap) * sign.abs()).sum()


def padded(numbers: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Return piece numbers filled up to one length, and which of them are real."""
    longest = max(map(len, numbers))
    filled = torch.zeros((len(numbers), longest), dtype=torch.long)
    real = torch.zeros((len(numbers), longest))
    for i, row in enumerate(numbers):
        filled[i, : len(row)] = torch.tensor(row)
        real[i, : len(row)] = 1.0
    return filled, real


def _blend(average: dict[str, Tensor], now: dict[str, Tensor], step: int) -> None:
    seen = average.get("seen", torch.zeros(())) + 1
    for name, value in now.items():
        average[name] = average[name] + (value - average[name]) / seen if name in average else value.clone()
    average["seen"] = seen


@torch.no_grad()  # type: ignore[untyped-decorator]
def logits_of(network: Network, numbers: list[list[int]]) -> NDArray[np.float32]:
    """Return (messages, ten) log-odds in full precision."""
    order = sorted(range(len(numbers)), key=lambda i: len(numbers[i]))
    found = np.zeros((len(numbers), len(CATEGORIES)), dtype=np.float32)
    for at in range(0, len(order), 64):
        chosen = order[at : at + 64]
        found[chosen] = network(*padded([numbers[i] for i in chosen])).numpy()
    return found
