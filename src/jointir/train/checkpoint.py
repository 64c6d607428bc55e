"""Where a training is saved on its way, and what makes two trainings the same."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, sha256
from jointir.train.processes import is_main, say_once
from jointir.train.validation import Validation

# Arguments of a stage that change nothing of what it learns, beside those that name its outputs.
NEUTRAL = ("scratch", "checkpoint_minutes", "batch_tokens")


def fingerprint(arguments: dict[str, object]) -> dict[str, str]:
    """Return what makes two trainings the same: settings as text, files and folders as SHA-256.

    arguments: of the stage, as `unfolded` returns them. What is named out... is written, not read.

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
    every: it is saved after multiples of so many steps alone. That is for a training that makes
    something anew there, which no checkpoint holds: a resumed one makes it again.
    """

    folder: Path
    minutes: float
    fingerprint: dict[str, object]
    every: int = 1
    _saved: float = field(default_factory=time.monotonic)

    @property
    def _path(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    def due(self, step: int) -> bool:
        """Return whether the state after `step` steps is to be written: `minutes` have passed."""
        late = time.monotonic() - self._saved >= self.minutes * 60
        return late and step % self.every == 0

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
