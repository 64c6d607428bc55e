"""Trainings that test_processes.py runs twice: alone, and by this script under a launcher."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from jointir.basics.errors import InputError
from jointir.cli import main
from jointir.train import training
from jointir.train.processes import check_same, dropout_seed, place
from tiny import Tiny, on_processor

STEPS, STOPPED = 10, 4
OPTIONS = {"steps": STEPS, "lr": 1e-3, "warmup": 3, "scale": 20.0, "seed": 3}
STAR = OPTIONS | {"random_weight": 0.1, "depth": 20}
JPQ = OPTIONS | {"negatives": 20, "lambda_cut": 10}


@dataclass(frozen=True)
class Training:
    """A stage, and its options but for `scratch`."""

    stage: str
    options: dict[str, object]


def trainings(tiny: Tiny, out: Path) -> dict[str, Training]:
    """Return every stage that shares its work; batches of 5 and 7 are uneven for two processes."""
    data = {"collection": tiny.collection, "encoder": tiny.encoder}
    docs, index = {"docs": tiny.docs}, {"index": tiny.opq, "centroid_lr": 1e-2}
    to = {name: {"out": out / name} for name in ("star", "uneven-star", "ance", "adore")}
    for name in ("jpq", "uneven-jpq", "resumed"):
        to[name] = {"out_index": out / f"{name}.faiss", "out_encoder": out / name}
    uneven, every = {"batch": 5}, {"batch": 7, "negatives": "own", "refresh": 4}
    options = {
        "star": ("star", data | docs | STAR | {"batch": 8}),
        "uneven-star": ("star", data | docs | STAR | uneven),
        "ance": ("dual", data | docs | STAR | every),
        "adore": ("adore", data | docs | JPQ | uneven),
        "jpq": ("jpq", data | index | JPQ | {"batch": 8}),
        "uneven-jpq": ("jpq", data | docs | index | JPQ | uneven | {"reconstruction": 0.1}),
        "resumed": ("jpq", data | index | JPQ | {"batch": 8}),
    }
    return {k: Training(stage, given | to[k]) for k, (stage, given) in options.items()}


def losses_of(one: Training, scratch: Path, code: int = 0) -> list[float]:
    """Run a training by its command line, in float32; return the losses of its steps.

    code: what it exits with.
    """
    losses: list[float] = []
    train = training.train
    options = one.options | {"scratch": scratch}
    words = [w for k, v in options.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    with on_processor(""), pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train", lambda *args: losses.extend(train(*args)))
        patch.setattr(sys, "argv", ["jointir", one.stage, *words])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == code
    return losses


def facts(tiny: Tiny, out: Path, scratch: Path) -> dict[str, object]:
    """Train everything; return what this process has seen."""
    every = trainings(tiny, out)
    losses = {name: losses_of(every[name], scratch / name) for name in every}
    torch.manual_seed(dropout_seed(3, 7))
    drawn = torch.rand(4).tolist()
    with pytest.raises(InputError) as refused:
        check_same(place().rank, scratch)
    return {"losses": losses, "drawn": drawn, "refused": str(refused.value)}


if __name__ == "__main__":
    *files, out, scratch = map(Path, sys.argv[1:])
    found = facts(Tiny(*files), out, scratch)
    (out / f"rank{place().rank}.json").write_text(json.dumps(found))
