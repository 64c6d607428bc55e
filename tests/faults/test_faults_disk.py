"""A disk that is full, or read-only: an error with file and remedy, then the same command."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from conftest import PRESET, run
from faults.disks import LARGE, disk, leave, read_only
from faults.part import DATA, GIVEN, command, every_step, hashes, part
from jointir.basics.errors import InputError
from jointir.basics.files import atomic, new_matrix
from jointir.encode.encoder import DualEncoder
from jointir.quantize.pq import write_index
from jointir.report.styles import save
from jointir.train.checkpoint import Checkpoint
from tiny import save_encoder

REMEDY = "the disk is full. Free some space, then run the same command again"
STAR, JPQ, SCRATCH = DATA / "star", DATA / "systems/jpq/M16", DATA / "scratch/jpq-M16"


def matrix(out: Path) -> None:
    with atomic(out) as scratch:
        new_matrix(scratch, "float32", (999, 32))[:] = 1


def index(out: Path) -> None:
    flat = faiss.IndexFlatIP(32)
    flat.add(np.ones((999, 32), np.float32))
    write_index(flat, out)


def checkpoint(out: Path) -> None:
    layer = torch.nn.Linear(99, 99)
    Checkpoint(out, 0, {}).save(1, layer, torch.optim.SGD(layer.parameters()))


def table(out: Path) -> None:
    with atomic(out) as scratch:
        pd.DataFrame({"a": range(9999)}).to_csv(scratch)


def figure(out: Path) -> None:
    drawn, ax = plt.subplots()
    ax.plot(np.random.default_rng(1).random(9999))
    save(drawn, out, out.with_suffix(".png"))
    plt.close(drawn)


def model(out: Path) -> None:
    with TemporaryDirectory() as folder:
        DualEncoder.load(save_encoder(Path(folder) / "encoder")).save(out)


def files(folder: Path) -> list[Path]:
    """Return the files under a folder."""
    return [p for p in folder.rglob("*") if p.is_file()]


@pytest.mark.parametrize("write", [matrix, index, checkpoint, table, figure, model])
def test_no_file_is_whole_without_its_last_bytes(tmp_path, write):
    """Less than a page lacks: what a library keeps in a buffer until it closes the file."""
    with disk(tmp_path / "small") as small:
        before = shutil.disk_usage(small).used
        write(small / "out")
        needed = shutil.disk_usage(small).used - before
        for path in files(small):
            path.unlink()
        leave(small, needed - 1)
        with pytest.raises(InputError, match=r"out.*the disk is full"):
            write(small / "out")
        assert not (small / "out").exists() or not files(small / "out")


def fails(folder: Path, target: object, name: object, error: str = REMEDY) -> None:
    """Check that a target fails, that the last line of its job tells why, and leaves nothing."""
    text = run(*command(str(target)), cwd=folder, ok=False)
    assert f"{name}: {error}\n" in text
    assert "Bus error" not in text
    assert not (folder / target).exists()
    assert [p for p in files(folder / "data") if p.name.startswith(f".{Path(name).name}.")] == []


def test_full_while_it_embeds(faultless, expected, tmp_path):
    folder, out = tmp_path / "run", STAR / "queries.npy"
    with disk(folder / STAR) as small:
        part(faultless, folder, [*GIVEN, "star/model", "star/training.csv"])
        leave(small, 100_000)
        fails(folder, out, out)
        leave(small, LARGE)
        run(*command(str(out)), cwd=folder)
        found = hashes(folder)
        assert str(out) in found and found.items() <= expected.items()


def test_full_while_it_trains(faultless, expected, tmp_path):
    """First for the checkpoint; then, at the end of the training, for the model."""
    folder, out = tmp_path / "run", JPQ / "query_encoder"
    kept = [*GIVEN, "star", "tune", "systems/opq/M16"]
    with disk(folder / SCRATCH.parent) as checkpoints, disk(folder / JPQ.parent) as small:
        part(faultless, folder, kept, every_step("jpq"))
        leave(checkpoints, 100_000_000)  # the weights alone, not the optimizer's moments
        fails(folder, out, SCRATCH / "checkpoint.safetensors")
        leave(checkpoints, LARGE)
        leave(small, 10_000_000)  # the index, not the model
        fails(folder, out, out)
        assert files(small) == [], "Snakemake deletes the index of a failed job"
        leave(small, LARGE)
        run(*command(str(out)), cwd=folder)
        log = (folder / "logs/apidocs-ci/jpq/M16.log").read_text()
        assert f"resumed after step {PRESET['systems']['jpq']['steps']}\n" in log
        found = hashes(folder)
        # it tells how texts were cut last, and a training resumed after its last step cut none
        del found[f"{out}/tokenizer.json"]
        assert f"{JPQ}/index.faiss" in found and found.items() <= expected.items()


@pytest.mark.slow
def test_full_while_it_reports(faultless, expected, tmp_path):
    folder, out = tmp_path / "run", Path("reports/figure4.pdf")
    run("cp", "-a", faultless, folder, cwd=tmp_path)
    kept = (folder / "reports").rename(tmp_path / "reports")
    with disk(folder / "reports") as small:
        run("cp", "-a", f"{kept}/.", small, cwd=tmp_path)
        for path in (folder / out, folder / out.with_suffix(".png")):
            path.unlink()
        leave(small, 5_000)
        fails(folder, out, out)
        leave(small, LARGE)
        run(*command(), cwd=folder)
        assert hashes(folder) == expected


@pytest.mark.slow
def test_a_read_only_data_folder_is_named(faultless, expected, tmp_path):
    out = STAR / "queries.npy"
    folder = part(faultless, tmp_path / "run", [*GIVEN, "star/model", "star/training.csv"])
    with read_only(folder / "data"):
        text = run(*command(str(out)), cwd=folder, ok=False)
    assert "read-only" in text.lower() and str(out) in text
    run(*command(str(out)), cwd=folder)
    found = hashes(folder)
    assert str(out) in found and found.items() <= expected.items()
