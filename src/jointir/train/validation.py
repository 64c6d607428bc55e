"""Dev, measured while a training goes on: of the weights on its way, the best are kept.

The starting weights are a candidate like any other, so that a training that does not pay on dev
ends with what it began with.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from jointir.train.processes import from_main, say_once

Z = 1.645  # of a one-sided 95% bound


@dataclass
class Validation:
    """Which of a training's weights are kept.

    values: returns float[Q], dev's queries measured with the module as it is. groups: int[Q], the
    group of each query: the gain of a step is the least of the groups' mean gains over step 0. So
    no group pays for another's gain. Of the steps whose mean gain over all queries is above 0 with
    a one-sided confidence of 95% (`bound`), the one of the highest gain is kept; where there is
    none, the start is: a gain that may be chance is not taken, for on new queries it may be a loss.
    measure: the name of what `values` returns. every: steps
    between two measurements; the last step is measured, too. patience: measurements without a new
    best after which training stops; 0: never.
    """

    values: Callable[[], np.ndarray]
    groups: np.ndarray
    measure: str
    every: int
    patience: int = 0
    curve: list[tuple[int, float, float, float]] = field(default_factory=list)
    start: np.ndarray | None = None  # float[Q], the values at step 0
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
        gain = min(change[self.groups == g].mean() for g in np.unique(self.groups))
        self.curve.append((step, float(values.mean()), float(gain), lower_bound(change)))
        if self._kept() == len(self.curve) - 1:
            self.best = {n: p.detach().clone() for n, p in _learned(module)}
        say_once(f"step {step}: {self.measure} on dev {values.mean():.4f}, gain {gain:+.4f}")

    def exhausted(self) -> bool:
        """Return whether as many measurements as `patience` have brought no new best."""
        return 0 < self.patience < len(self.curve) - self._kept()

    def _kept(self) -> int:
        """Return which measurement is kept: the first of the best."""
        start, *later = self.curve
        return int(np.argmax([start[2], *(g if bound > 0 else -np.inf for *_, g, bound in later)]))

    def choose(self, module: torch.nn.Module) -> None:
        """Give the module the best weights, and say which they are."""
        if not self.curve:
            return
        with torch.no_grad():
            for name, p in _learned(module):
                p.copy_(self.best[name])
        step, value, gain, _ = self.curve[self._kept()]
        why = "the start: no step is surely better on dev" if step == 0 else f"gain {gain:+.4f}"
        say_once(f"kept step {step}, {self.measure} on dev {value:.4f} ({why})")

    def rows(self) -> list[tuple[int, str, str, str, int]]:
        """Return the columns of `curve.write_curve` of each measurement."""
        kept = self._kept() if self.curve else -1
        return [
            (step, self.measure, f"{value:.6f}", f"{gain:.6f}", f"{bound:.6f}", int(i == kept))
            for i, (step, value, gain, bound) in enumerate(self.curve)
        ]

    def state(self) -> tuple[dict[str, torch.Tensor], str]:
        """Return what a checkpoint must hold: tensors, and the rest as text."""
        tensors = {f"best/{n}": t for n, t in self.best.items()}
        if self.start is not None:
            tensors["start"] = torch.from_numpy(self.start)
        return tensors, json.dumps(self.curve)

    def restore(self, tensors: dict[str, torch.Tensor], text: str, device: torch.device) -> None:
        """Take back what `state` returned."""
        self.curve = [tuple(row) for row in json.loads(text)]
        self.best = {
            n.removeprefix("best/"): t.to(device) for n, t in tensors.items() if n[:5] == "best/"
        }
        self.start = tensors["start"].numpy() if "start" in tensors else None


def lower_bound(change: np.ndarray) -> float:
    """Return the one-sided 95% bound of the mean of float[Q], by the normal distribution."""
    if len(change) < 2:
        return -np.inf
    return float(change.mean() - Z * change.std(ddof=1) / len(change) ** 0.5)


def _learned(module: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(n, p) for n, p in module.named_parameters() if p.requires_grad]
