"""The beginning and the end that every training has, of whichever stage."""

from collections.abc import Callable
from pathlib import Path

import torch

from jointir.basics.settings import unfolded
from jointir.train.checkpoint import Checkpoint, fingerprint
from jointir.train.curve import write_curve
from jointir.train.loop import train
from jointir.train.processes import is_main
from jointir.train.validation import Validation


class Training:
    """A stage's training: what it resumes from, its optimizer, and what it leaves.

    given: the stage's arguments, `locals()` at its beginning, hashed as `fingerprint` has it. Of
    them steps, warmup, lr, seed, scratch and checkpoint_minutes are used here, and out_curve where
    there is one. fingerprint: of `given`, by which a checkpoint is known again.
    """

    def __init__(self, name: str, given: dict[str, object]):
        """name: what the log calls it.

        Raises:
            InputError: a file or folder that the stage is to read is not there.
        """
        self.name, self.given = name, unfolded(given)
        self.fingerprint = fingerprint(self.given)

    def run(
        self,
        module: torch.nn.Module,
        groups: list[dict[str, object]],
        loss_of: Callable[[int], torch.Tensor],
        clip: list[torch.nn.Parameter],
        save: Callable[[], None],
        validation: Validation | None = None,
        every: int = 1,
    ) -> None:
        """Minimize `loss_of(step)` by AdamW, as `train` does; then let the main process `save`.

        groups: of AdamW, with a learning rate each where it is not `lr`. clip: the weights whose
        gradients are cut. save: writes the stage's outputs; the checkpoint goes when it is done.
        every: as for `Checkpoint`.

        Raises:
            FloatingPointError: a loss is not finite.
        """
        given = self.given
        optimizer = torch.optim.AdamW(groups, lr=given["lr"], fused=True)
        minutes = given["checkpoint_minutes"]
        keeper = Checkpoint(given["scratch"], minutes, self.fingerprint, every)
        plan = (given["steps"], given["warmup"], given["seed"])
        train(module, optimizer, loss_of, *plan, clip, keeper, self.name, validation)
        if not is_main():
            return
        self._write_curve(validation)
        save()
        keeper.remove()

    def _write_curve(self, validation: Validation | None) -> None:
        out: Path | None = self.given.get("out_curve")
        if out is not None:
            write_curve(validation.rows() if validation else [], out)
