"""Dev, measured while a training goes on: of the weights on its way, the best are kept.

The starting weights are a candidate like any other, so that a training that does not pay on dev
ends with what it began with.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import permutation_test

from jointir.train.processes import from_main, say_once

Z = 1.645  # of a one-sided 95% bound
CHANCE = 0.16  # a mean this improbable is a loss
RESAMPLES = 1000  # sign flips; where a sample has fewer, all of them


class Look(NamedTuple):
    """One measurement: the main measure's mean, gain and bound, and the measures that lost."""

    step: int
    value: float
    gain: float
    bound: float
    losses: str  # joined by spaces

    @property
    def sure(self) -> bool:
        """Whether its gain is no chance, and nothing was lost for it."""
        return self.bound > 0 and not self.losses


@dataclass
class Validation:
    """Which of a training's weights are kept.

    values: returns float[m, Q], dev's queries in m measures, with the module as it is. measures:
    their names, the main one first. groups: int[Q], the group of each query. The gain of a step
    is the least of the groups' mean gains over step 0 in the main measure. `bound` is the one-sided
    95% bound of the mean gain over all queries, lowered by what a group seems to lose: few queries
    can hardly show a gain, so that a gain below 0 is taken, but not for less than it costs. Of the
    steps whose bound is above 0, and that lose in no measure and group (`losses`), the one of the
    highest gain is kept; where there is none, the start is: a gain that may be chance is not taken,
    for on new queries it may be a loss. every: steps between two measurements; the last step is
    measured, too. patience: measurements without a new best after which training stops; 0: never.
    """

    values: Callable[[], np.ndarray]
    groups: np.ndarray
    measures: list[str]
    every: int
    patience: int = 0
    curve: list[Look] = field(default_factory=list)
    start: np.ndarray | None = None  # float[m, Q], the values at step 0
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    def due(self, step: int, steps: int) -> bool:
        """Return whether the weights after `step` of `steps` steps are to be measured."""
        return step % self.every == 0 or step == steps

    def look(self, step: int, module: torch.nn.Module) -> None:
        """Measure the module after `step` steps; keep its weights where they are the best so far.

        Of equally good ones the first are kept.
        """
        training = module.training
        values = np.asarray(from_main(self.values), np.float64)
        module.train(training)
        self.start = values if self.start is None else self.start
        change = values - self.start
        gain = min(change[0, self.groups == g].mean() for g in np.unique(self.groups))
        lost = losses(change, self.groups, self.measures)
        bound = lower_bound(change[0]) + min(0.0, float(gain))
        self.curve.append(Look(step, float(values[0].mean()), float(gain), bound, " ".join(lost)))
        if self._kept() == len(self.curve) - 1:
            self.best = {n: p.detach().clone() for n, p in _learned(module)}
        also = f", a loss in {', '.join(lost)}" if lost else ""
        told = f"{self.measures[0]} on dev {values[0].mean():.4f}, gain {gain:+.4f}"
        say_once(f"step {step}: {told}{also}")

    def exhausted(self) -> bool:
        """Return whether as many measurements as `patience` have brought no new best."""
        return 0 < self.patience < len(self.curve) - self._kept()

    def _kept(self) -> int:
        """Return which measurement is kept: the first of the best, the start where none is sure."""
        able = [i for i, look in enumerate(self.curve) if look.sure]
        return max(able, key=lambda i: (self.curve[i].gain, -i), default=0)

    def choose(self, module: torch.nn.Module) -> None:
        """Give the module the best weights, and say which they are."""
        if not self.curve:
            return
        with torch.no_grad():
            for name, p in _learned(module):
                p.copy_(self.best[name])
        at = self.curve[self._kept()]
        why = f"gain {at.gain:+.4f}" if at.step else "the start: no step is surely better on dev"
        say_once(f"kept step {at.step}, {self.measures[0]} on dev {at.value:.4f} ({why})")

    def rows(self) -> list[tuple[int, str, str, str, str, str, int]]:
        """Return the columns of `curve.write_curve` of each measurement."""
        kept = self._kept() if self.curve else -1
        return [
            (
                *(at.step, self.measures[0], f"{at.value:.6f}", f"{at.gain:.6f}"),
                *(f"{at.bound:.6f}", at.losses, int(i == kept)),
            )
            for i, at in enumerate(self.curve)
        ]

    def state(self) -> tuple[dict[str, torch.Tensor], str]:
        """Return what a checkpoint must hold: tensors, and the rest as text."""
        tensors = {f"best/{n}": t for n, t in self.best.items()}
        if self.start is not None:
            tensors["start"] = torch.tensor(self.start)
        return tensors, json.dumps(self.curve)

    def restore(self, tensors: dict[str, torch.Tensor], text: str, device: torch.device) -> None:
        """Take back what `state` returned."""
        self.curve = [Look(*row) for row in json.loads(text)]
        self.best = {
            n.removeprefix("best/"): t.to(device) for n, t in tensors.items() if n[:5] == "best/"
        }
        self.start = tensors["start"].numpy() if "start" in tensors else None


def lower_bound(change: np.ndarray) -> float:
    """Return the one-sided 95% bound of the mean of float[Q], by the normal distribution."""
    if len(change) < 2:
        return -np.inf
    return float(change.mean() - Z * change.std(ddof=1) / len(change) ** 0.5)


def losses(change: np.ndarray, groups: np.ndarray, measures: list[str]) -> list[str]:
    """Return the measures in which a group is probably worse: with a confidence of 84%.

    change: float[m, Q]; groups: int[Q]. This is less than a gain needs, since a loss that is
    overlooked costs more than a gain that is given up.
    """
    members = [groups == g for g in np.unique(groups)]
    return [
        name
        for name, own in zip(measures, change, strict=True)
        if any(chance_of_loss(own[of]) < CHANCE for of in members)
    ]


def chance_of_loss(change: np.ndarray) -> float:
    """Return p of a mean of float[Q] this low, where each query's sign is chance: one-sided.

    Fisher's randomization test. A measure like R@100 changes for few queries and by whole steps:
    two losses and no gain are p = 1/4, three 1/8, where a standard error would call both sure.
    """
    changed = change[change != 0]  # the others leave every sum as it is
    if changed.sum() >= 0:
        return 1.0
    if len(changed) == 1:
        return 0.5  # SciPy wants two
    test = permutation_test(
        (changed,),
        np.sum,
        permutation_type="samples",
        alternative="less",
        n_resamples=RESAMPLES,
        batch=RESAMPLES // 10,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    return float(test.pvalue)


def _learned(module: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(n, p) for n, p in module.named_parameters() if p.requires_grad]
