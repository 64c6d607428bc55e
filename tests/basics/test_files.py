"""Files that appear whole or not at all: full disks, kills, errors; what was there stays."""

import gzip
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tokenizers import Tokenizer, models

from faults.harm import no_space
from jointir.basics.errors import InputError
from jointir.basics.files import atomic


def test_a_full_disk_at_the_flush_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    out = tmp_path / "out"
    out.write_text("old")
    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(InputError, match="the disk is full"), atomic(out) as scratch:
        scratch.write_text("half")
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert out.read_text() == "old"


def index() -> faiss.Index:
    flat = faiss.IndexFlatIP(8)
    flat.add(np.ones((999, 8), np.float32))
    return flat


# what tells of a full disk in its own words, most without an errno
WRITERS = {
    "faiss": lambda path: faiss.write_index(index(), str(path)),
    "tokenizers": lambda path: Tokenizer(models.WordLevel({}, "")).save(str(path)),
    "numpy": lambda path: np.save(path.open("wb"), np.ones(9_999)),
    "parquet": lambda path: pd.DataFrame({"a": [1]}).to_parquet(path),
    "csv": lambda path: pd.DataFrame({"a": [1]}).to_csv(path),
    "matplotlib": lambda path: Figure().savefig(path, format="pdf"),
    "gzip": lambda path: path.write_bytes(gzip.compress(b"a")),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_told_whatever_library_writes(name: str, tmp_path: Path):
    with pytest.raises(InputError) as e, atomic(tmp_path / "out") as scratch:
        scratch.symlink_to("/dev/full")
        WRITERS[name](scratch)
    assert str(e.value).startswith(f"{tmp_path / 'out'}: the disk is full. Free some space")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_deleted(tmp_path: Path):
    (tmp_path / ".out.0a1b2c3d").mkdir()
    (tmp_path / ".out.0a1b2c3d" / "half").touch()
    (tmp_path / ".out.4e5f6a7b").touch()
    others = [".out.0a1b2c3d.npy", ".out.json.0a1b2c3d", "out.0a1b2c3d"]
    for name in others:
        (tmp_path / name).touch()
    with atomic(tmp_path / "out") as scratch:
        scratch.touch()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["out", *others])


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, PermissionError])
def test_a_block_that_raises_leaves_what_was_there(error: type[BaseException], tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "kept").write_text("old")
    with pytest.raises(error), atomic(out) as scratch:
        scratch.mkdir()
        (scratch / "kept").write_text("half")
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (out / "kept").read_text() == "old"


def test_a_finished_folder_replaces_the_old_one_whole(tmp_path: Path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "stale").touch()
    with atomic(out) as scratch:
        scratch.mkdir()
        (scratch / "fresh").touch()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert [p.name for p in out.iterdir()] == ["fresh"]
