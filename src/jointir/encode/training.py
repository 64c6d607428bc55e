"""One training loop for every stage that trains: deterministic, and the same after a resume."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from jointir.encode.processes import check_same, dropout_seed, is_main, say_once, sum_gradients
from jointir.encode.validation import Validation
from jointir.errors import InputError
from jointir.files import atomic, sha256
from jointir.progress import progress

# Arguments of a stage that change nothing of what it learns, beside those that name its outputs.
NEUTRAL = ("scratch", "checkpoint_minutes", "batch_tokens")


def fingerprint(arguments: dict[str, object]) -> dict[str, str]:
    """Return what makes two trainings the same: settings as text, files and folders as SHA-256.

    arguments: of the stage, `locals()` at its beginning. What is named out... is written, not read.

    Raises:
        InputError: a file or folder that the stage is to read is not there.
    """
    kept = {k: v for k, v in arguments.items() if k not in NEUTRAL and not k.startswith("out")}
    for name, value in kept.items():
        if isinstance(value, Path) and not value.exists():
            remedy = f"Rerun the stage that writes it, or correct --{name}"
            raise InputError(value, "is not there", remedy)
    return {k: sha256(v) if isinstance(v, Path) else str(v) for k, v in kept.items()}


@dataclass
class Checkpoint:
    """Where training saves itself, how often, and for which training.

    folder: a scratch folder that no stage declares as an output.
    minutes: at most this much work is lost by a crash.
    fingerprint: whatever makes two trainings the same; another one's checkpoint is ignored.
    """

    folder: Path
    minutes: float
    fingerprint: dict[str, object]
    _saved: float = field(default_factory=time.monotonic)

    @property
    def _path(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def due(self, step: int) -> bool:
        """Return whether the state after `step` steps is to be written: `minutes` have passed."""
        return time.monotonic() - self._saved >= self.minutes * 60

    def save(
        self,
        step: int,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        validation: Validation | None = None,
    ) -> None:
        """Write weights, optimizer and validation after `step` steps, when it is due.

        The main process alone does: the others have the same.
        """
        if not is_main() or not self.due(step):
            return
        tensors = dict(_state(module, optimizer))
        about = {"step": str(step), "fingerprint": _canonical(self.fingerprint)}
        if validation:
            kept, about["curve"] = validation.state()
            tensors |= {f"validation/{name}": t for name, t in kept.items()}
        with atomic(self._path) as scratch:
            save_file(tensors, scratch, about)
        self._saved = time.monotonic()

    def load(
        self,
        module: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        validation: Validation | None = None,
    ) -> int:
        """Restore the last checkpoint of this very training; return how many steps it had done.

        Raises:
            InputError: the checkpoint is damaged.
        """
        if not self._path.is_file():
            return 0
        try:
            with safe_open(self._path, "pt") as f:
                about = f.metadata() or {}
                if about.get("fingerprint") != _canonical(self.fingerprint):
                    say_once(f"{self._path}: of another training, ignored")
                    return 0
                tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
        except SafetensorError as e:
            remedy = "Delete it: the training begins again"
            raise InputError(self._path, f"is damaged ({e})", remedy) from e
        _restore(module, optimizer, tensors)
        if validation:
            names = [name for name in tensors if name.startswith("validation/")]
            kept = {name.removeprefix("validation/"): tensors[name] for name in names}
            validation.restore(kept, about["curve"], next(module.parameters()).device)
        say_once(f"{self._path}: resumed after step {about['step']}")
        return int(about["step"])

    def remove(self) -> None:
        """Delete the checkpoint: its training is finished and saved."""
        for path in self.folder.glob(f"*{self._path.name}*"):  # and what a kill left half-written
            path.unlink()
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _state(
    module: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, torch.Tensor]]:
    for name, p in module.named_parameters():
        if p.requires_grad:
            yield f"weight/{name}", p.detach().contiguous()
            for key, value in optimizer.state.get(p, {}).items():
                yield f"{key}/{name}", torch.as_tensor(value).contiguous()


def _restore(
    module: torch.nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]
) -> None:
    for name, p in module.named_parameters():
        if p.requires_grad:
            with torch.no_grad():
                p.copy_(tensors[f"weight/{name}"])
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if f"{key}/{name}" not in tensors:  # a weight that the loss does not reach
                    continue
                value = tensors[f"{key}/{name}"]
                optimizer.state[p][key] = value.clone() if key == "step" else value.to(p.device)


UNDECAYED = {"weight_decay": 0.0}


def decayed(weights: list[torch.nn.Parameter]) -> list[dict[str, object]]:
    """Return groups of AdamW: its decay acts on matrices, not on biases and weights of norms."""
    matrices = [w for w in weights if w.ndim > 1]
    return [{"params": matrices}, {"params": [w for w in weights if w.ndim < 2]} | UNDECAYED]


def warmup_linear(step: int, warmup: int, steps: int) -> float:
    """Return the factor of the learning rate: linear up over `warmup` steps, then down to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (steps - step) / max(1, steps - warmup))


@lru_cache  # once a process: every step asks for its batch
def batch_of(n: int, batch: int) -> int:
    """Return how many of n rows a batch has: all of them where fewer than `batch`; say so."""
    if batch > n:
        say_once(f"a batch has all {n} rows there are to train on, {batch} were asked for")
    return min(batch, n)


@lru_cache(maxsize=1)  # a batch needs a slice of it, and an epoch has many batches
def _permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    order = np.random.default_rng([seed, epoch]).permutation(n)
    order.flags.writeable = False
    return order


def shuffled(n: int, batch: int, step: int, seed: int) -> np.ndarray:
    """Return the rows of batch `step`: every epoch is a new permutation of the n rows.

    A function of its arguments alone, so that resuming needs no generator's state.
    """
    batch = batch_of(n, batch)
    per_epoch = n // batch
    order = _permutation(n, seed, step // per_epoch)
    at = step % per_epoch * batch
    return order[at : at + batch]


def train(
    module: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[int], torch.Tensor],
    steps: int,
    warmup: int,
    seed: int,
    clip: list[torch.nn.Parameter],
    checkpoint: Checkpoint,
    name: str,
    validation: Validation | None = None,
) -> list[float]:
    """Minimize `loss_of(step)` for `steps` steps; gradients of `clip` are cut to norm 1.

    Dropout draws from (seed, step), so a resumed training is the uninterrupted one, bit for bit.
    Of several processes, each differentiates its part of the loss (see processes.py) and draws
    dropout of its own; a training may be resumed by another number of them.

    validation: measures the module at step 0 and on its way; the weights that it chooses are those
    that the module has at the end, in a resumed training, too.

    Returns: the losses of the steps done here. Raises: FloatingPointError when a loss is not
    finite.
    """
    rates = [group["lr"] for group in optimizer.param_groups]
    module.train()
    first = checkpoint.load(module, optimizer, validation)
    check_same(first, checkpoint.folder)
    if validation and not validation.curve:
        validation.look(0, module)
    losses: list[float] = []
    todo = range(first, first if validation and validation.exhausted() else steps)
    for step in progress(todo, name, steps, "steps", first) if is_main() else todo:
        torch.manual_seed(dropout_seed(seed, step))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * warmup_linear(step, warmup, steps)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(step)
        loss.backward()
        sum_gradients(module)
        torch.nn.utils.clip_grad_norm_(clip, 1.0)
        optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"{name}: the loss of step {step} is {losses[-1]}")
        if step % 20 == 19:
            say_once(f"{name}: step {step + 1} loss {np.mean(losses[-20:]):.4f}")
        if validation and validation.due(step + 1, steps):
            validation.look(step + 1, module)
        checkpoint.save(step + 1, module, optimizer, validation)
        if validation and validation.exhausted():
            break
    if validation:
        validation.choose(module)
    module.eval()
    return losses
