"""The training loop: schedule, order, and a resume that gives the same bits after a kill."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open

from jointir.basics.errors import InputError
from jointir.basics.settings import unfolded
from jointir.joint import jpq as module
from jointir.joint.jpq import jpq
from jointir.methods.arguments import DevOptions, SampleOptions
from jointir.train import checkpoint
from jointir.train.checkpoint import Checkpoint, fingerprint
from jointir.train.loop import UNDECAYED, decayed, train, warmup_linear
from jointir.train.order import shuffled
from jointir.train.training import Training
from tiny import flat, make

STEPS = 40
OPTIONS = {"steps": STEPS, "batch": 8, "negatives": 20, "lr": 1e-3, "centroid_lr": 1e-2}
OPTIONS |= {"warmup": 3, "lambda_cut": 10, "scale": 20.0, "seed": 5}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("training"))


def train_jpq(tiny, out: Path, **changed) -> bytes:
    """Run the JPQ stage in `out`; return what it wrote."""
    paths = (out / "index.faiss", out / "encoder", out / "scratch")
    flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **(OPTIONS | changed))
    return outputs(out)


def outputs(out: Path) -> bytes:
    """Return the bytes of index and weights."""
    weights = out / "encoder" / "model.safetensors"
    return (out / "index.faiss").read_bytes() + weights.read_bytes()


def start(tiny, out: Path) -> subprocess.Popen:
    """Start the JPQ stage as a process that saves a checkpoint after every step."""
    paths = {"collection": tiny.collection, "encoder": tiny.encoder, "index": tiny.opq}
    paths |= {"out_index": out / "index.faiss", "out_encoder": out / "encoder"}
    options = paths | OPTIONS | {"scratch": out / "scratch", "checkpoint_minutes": 0}
    words = [w for k, v in options.items() for w in (f"--{k.replace('_', '-')}", str(v))]
    return subprocess.Popen(
        [sys.executable, "-m", "jointir", "jpq", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def saved_step(path: Path) -> int:
    """Return the step that a checkpoint holds: readable at any moment, or not there."""
    if not path.exists():
        return 0
    with safe_open(path, "pt") as f:
        return int(f.metadata()["step"])


def test_a_killed_training_resumes_to_the_same_bits(tiny, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    doomed = start(tiny, killed)
    expected = train_jpq(tiny, whole)
    kept = killed / "scratch" / "checkpoint.safetensors"
    limit = time.monotonic() + 60
    while saved_step(kept) < 5 and doomed.poll() is None and time.monotonic() < limit:
        time.sleep(0.002)
    doomed.kill()
    log = doomed.communicate()[1]
    assert doomed.returncode == -signal.SIGKILL, log
    step = saved_step(kept)
    assert 5 <= step < STEPS
    assert [p.name for p in killed.iterdir()] == ["scratch"]  # no output, whole or in part
    (kept.parent / f".{kept.name}.0a1b2c3d").write_bytes(b"half")  # as of a kill while saving

    resumed = start(tiny, killed)
    log = resumed.communicate(timeout=120)[1]
    assert resumed.returncode == 0, log
    assert f"resumed after step {step}" in log
    assert outputs(killed) == expected
    for out in (killed, whole):
        assert sorted(p.name for p in out.iterdir()) == ["encoder", "index.faiss"]


def test_the_same_seed_gives_the_same_bytes_another_seed_others(tiny, tmp_path):
    a, b = (train_jpq(tiny, tmp_path / name, steps=4) for name in "ab")
    assert a == b
    assert train_jpq(tiny, tmp_path / "c", steps=4, seed=6) != a


def interrupt(tiny, out: Path, monkeypatch, after: int) -> None:
    """Train in `out` until the loss of step `after` raises."""
    count = iter(range(after))
    right = module.lambdarank
    with monkeypatch.context() as patch:
        patch.setattr(module, "lambdarank", lambda *a: right(*a) + 0 * next(count))
        with pytest.raises(StopIteration):
            train_jpq(tiny, out, steps=6, checkpoint_minutes=0)


def test_a_checkpoint_of_other_parameters_is_ignored(tiny, tmp_path, monkeypatch, capsys):
    interrupt(tiny, tmp_path / "a", monkeypatch, 3)
    assert saved_step(tmp_path / "a" / "scratch" / "checkpoint.safetensors") == 3
    found = train_jpq(tiny, tmp_path / "a", steps=6, lr=2e-3)
    assert "of another training, ignored" in capsys.readouterr().err
    assert found == train_jpq(tiny, tmp_path / "b", steps=6, lr=2e-3)


def test_a_checkpoint_of_other_judgements_is_ignored(tiny, tmp_path, monkeypatch, capsys):
    qrels = tiny.collection / "qrels" / "train.trec"
    interrupt(tiny, tmp_path / "a", monkeypatch, 3)
    before = qrels.read_text()
    qrels.write_text(before.replace(" 2\n", " 0\n"))
    try:
        train_jpq(tiny, tmp_path / "a", steps=6)
    finally:
        qrels.write_text(before)
    assert "of another training, ignored" in capsys.readouterr().err


def test_warm_up_is_linear_then_falls_to_zero():
    assert [warmup_linear(s, 4, 8) for s in range(9)] == [
        *(0.25, 0.5, 0.75, 1.0),
        *(1.0, 0.75, 0.5, 0.25, 0.0),
    ]
    assert [warmup_linear(s, 0, 4) for s in range(4)] == [1.0, 0.75, 0.5, 0.25]
    assert warmup_linear(9, 4, 8) == 0.0


@given(st.integers(1, 50), st.integers(1, 60), st.integers(0, 3), st.integers(0, 99))
def test_every_epoch_is_a_permutation(n, batch, epoch, seed):
    size = min(batch, n)
    steps = range(epoch * (n // size), (epoch + 1) * (n // size))
    rows = np.concatenate([shuffled(n, batch, step, seed) for step in steps])
    assert len(rows) == n // size * size  # the last, smaller batch of an epoch is left out
    assert len(set(rows.tolist())) == len(rows)
    assert set(rows.tolist()) <= set(range(n))
    assert np.array_equal(rows, np.concatenate([shuffled(n, batch, s, seed) for s in steps]))


def test_epochs_and_seeds_differ():
    orders = {tuple(shuffled(20, 20, step, seed)) for step in range(3) for seed in range(3)}
    assert len(orders) == 9


def regression(folder: Path, minutes: float = 0) -> tuple:
    """Return a module, its optimizer, a loss and a checkpoint for it."""
    torch.manual_seed(1)
    layer = torch.nn.Linear(3, 1)
    layer.extra = torch.nn.Parameter(torch.ones(2))  # never in the loss, so never in AdamW's state
    x, y = torch.randn(9, 3), torch.randn(9, 1)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.1)
    return (
        layer,
        optimizer,
        lambda step: ((layer(x) - y) ** 2).mean(),
        Checkpoint(folder, minutes, {"of": 1}),
    )


def test_a_checkpoint_restores_weights_and_optimizer(tmp_path):
    whole, optimizer, loss, keeper = regression(tmp_path / "whole")
    train(whole, optimizer, loss, 6, 2, 0, [], keeper, "t")
    part, optimizer, loss, keeper = regression(tmp_path / "part")
    train(part, optimizer, lambda s: loss(s) if s < 4 else 1 / 0, 4, 2, 0, [], keeper, "t")
    again, optimizer, loss, keeper = regression(tmp_path / "part")
    assert keeper.load(again, optimizer) == 4
    torch.testing.assert_close(again.weight, part.weight, rtol=0, atol=0)
    assert optimizer.state[again.weight]["step"].item() == 4
    assert again.extra not in optimizer.state or not optimizer.state[again.extra]
    keeper.remove()
    assert not (tmp_path / "part").exists()
    assert keeper.load(again, optimizer) == 0


def test_a_damaged_checkpoint_is_told_by_name(tmp_path):
    module, optimizer, _, keeper = regression(tmp_path)
    keeper.save(3, module, optimizer)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"checkpoint\.safetensors: is damaged .* Delete it"):
        keeper.load(module, optimizer)


def test_no_checkpoint_is_written_before_its_minutes_have_passed(tmp_path):
    layer, optimizer, loss, keeper = regression(tmp_path, minutes=1)
    train(layer, optimizer, loss, 3, 0, 0, [], keeper, "t")
    assert not list(tmp_path.iterdir())


@settings(max_examples=12)  # a checkpoint waits for the disk
@given(st.integers(1, 12), st.floats(10, 100), st.floats(0, 5))
def test_at_most_the_configured_minutes_are_lost(killed, seconds, minutes):
    """Whichever step it dies in: the finished ones that are done again took less than `minutes`."""
    now = 0.0  # a clock that only a step moves

    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "time", SimpleNamespace(monotonic=lambda: now))
        layer, optimizer, right, keeper = regression(Path(name), minutes)
        keeper._saved = now

        def loss(step: int) -> torch.Tensor:
            nonlocal now
            now += seconds
            return right(step) if step < killed else 1 / 0

        with pytest.raises(ZeroDivisionError):
            train(layer, optimizer, loss, killed + 1, 0, 0, [], keeper, "t")
        again, optimizer, _, keeper = regression(Path(name), minutes)
        lost = killed - keeper.load(again, optimizer)
    assert lost * seconds < minutes * 60 or lost == 0


def test_a_loss_that_is_not_finite_stops_before_it_is_saved(tmp_path):
    layer, optimizer, loss, keeper = regression(tmp_path)
    with pytest.raises(FloatingPointError, match="t: the loss of step 2 is nan"):
        train(
            layer,
            optimizer,
            lambda s: loss(s) * (torch.nan if s == 2 else 1),
            4,
            0,
            0,
            [],
            keeper,
            "t",
        )
    assert saved_step(tmp_path / "checkpoint.safetensors") == 2


def test_gradients_are_cut_to_norm_one_only_where_asked(tmp_path):
    a, b = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2))
    both = torch.nn.ParameterList([a, b])
    optimizer = torch.optim.SGD(both, lr=1.0)
    slope = torch.tensor([3.0, 4.0])
    keeper = Checkpoint(tmp_path, 9, {})
    losses = train(both, optimizer, lambda s: slope @ a + slope @ b, 1, 0, 0, [a], keeper, "t")
    assert losses == [0.0]
    torch.testing.assert_close(a.detach(), torch.tensor([-0.6, -0.8]))
    torch.testing.assert_close(b.detach(), -slope)


def test_a_checkpoint_is_whole_or_not_there(tmp_path):
    layer, optimizer, _, keeper = regression(tmp_path)
    keeper.save(1, layer, optimizer)
    whole = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[:-9])
    with pytest.raises(SafetensorError):  # so that `saved_step` above would have seen half a file
        saved_step(tmp_path / "checkpoint.safetensors")


def test_a_fingerprint_is_of_settings_and_of_what_is_read(tmp_path):
    docs = tmp_path / "docs.npy"
    docs.write_text("a")
    arguments = {"docs": docs, "lr": 0.1, "teacher": None, "out": tmp_path / "none", "scratch": 1}
    first = fingerprint(arguments)
    assert fingerprint(arguments | {"out": 2, "scratch": 3, "checkpoint_minutes": 4}) == first
    assert fingerprint(arguments | {"lr": 0.2}) != first
    copy = docs.rename(tmp_path / "elsewhere.npy")
    assert fingerprint(arguments | {"docs": copy}) == first
    copy.write_text("b")
    assert fingerprint(arguments | {"docs": copy}) != first
    with pytest.raises(InputError, match=r"docs\.npy.*not there.*--docs"):
        fingerprint(arguments)


def test_a_fingerprint_sees_each_option_of_dev_but_the_file_to_write(tmp_path):
    def of(**changed: object) -> dict[str, str]:
        return fingerprint(unfolded({"lr": 0.1, "dev": SampleOptions(**changed)}))

    first = of()
    assert first == {
        **{"lr": "0.1", "dev_measures": "['RR@10']", "validate_every": "0", "patience": "0"},
        **{"dev_queries": "1000", "dev_documents": "2000"},
    }
    assert of(out_curve=tmp_path / "none.csv") == first
    other = {"dev_measures": ["R@10"], "validate_every": 1, "patience": 2, "dev_queries": 3}
    for name, value in (other | {"dev_documents": 4}).items():
        assert of(**{name: value}) != first, name


def test_a_checkpoint_waits_for_a_multiple_of_its_steps(tmp_path):
    layer, optimizer, loss, keeper = regression(tmp_path)
    keeper.every = 3
    train(layer, optimizer, loss, 5, 0, 0, [], keeper, "t")
    assert saved_step(tmp_path / "checkpoint.safetensors") == 3


def test_a_checkpoint_stays_until_the_outputs_are_written(tmp_path):
    scratch, curve, saved = tmp_path / "scratch", tmp_path / "curve.csv", []
    given = {"steps": 4, "warmup": 0, "lr": 0.1, "seed": 1, "checkpoint_minutes": 0}
    given |= {"scratch": scratch, "dev": DevOptions(curve)}

    def run(save) -> torch.nn.Module:
        layer, _, loss, _ = regression(tmp_path)
        Training("t", given).run(layer, [{"params": [layer.weight]}], loss, [], save)
        return layer

    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)
    assert saved_step(scratch / "checkpoint.safetensors") == 4
    curve.unlink()
    layer = run(lambda: saved.append(scratch.exists()))
    assert saved == [True] and not scratch.exists() and curve.exists()
    assert not torch.equal(layer.weight, regression(tmp_path)[0].weight)


def test_weight_decay_spares_biases_norms_and_what_is_told():
    layer, norm = torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)
    centroids = torch.nn.Parameter(torch.ones(2, 4, 3))
    groups = [*decayed([*layer.parameters(), *norm.parameters()])]
    groups += [{"params": [centroids]} | UNDECAYED]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    before = layer.weight.detach().clone()
    for tensor in (*layer.parameters(), *norm.parameters(), centroids):
        tensor.grad = torch.zeros_like(tensor)
    bias = layer.bias.detach().clone()
    optimizer.step()
    torch.testing.assert_close(layer.weight.detach(), before * (1 - 0.1 * 0.01))  # AdamW's own
    assert torch.equal(layer.bias.detach(), bias) and (norm.weight == 1).all()
    assert (centroids == 1).all()
