"""Dev on the way of a training: which weights are kept, by hand, and after a kill."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ttest_1samp

from jointir.basics.errors import InputError
from jointir.basics.exact import best_rows
from jointir.data.store import read_qrels, read_queries
from jointir.joint.jpq import jpq
from jointir.methods.arguments import DevOptions
from jointir.quantize.pq import read_pq
from jointir.train.checkpoint import Checkpoint
from jointir.train.curve import read_curve, write_curve
from jointir.train.dev import read_dev, sample
from jointir.train.loop import train
from jointir.train.validation import Validation, chance_of_loss, losses, lower_bound
from tiny import flat, killed, make

OPTIONS = {"steps": 6, "batch": 8, "negatives": 20, "lr": 1e-3, "centroid_lr": 1e-2}
OPTIONS |= {"warmup": 1, "lambda_cut": 10, "scale": 20.0, "seed": 5}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make(tmp_path_factory.mktemp("validation"))


class Line(torch.nn.Module):
    """One weight, which every step lowers by the learning rate."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.0]))


def walk(values_at: dict[int, list], folder: Path, every: int, patience: int = 0):
    """Train Line for 6 steps of plain descent; dev's values at each step are those given.

    They are of one measure, or a list for each of two; the first half of the queries is a group.
    """
    line = Line()

    def values() -> np.ndarray:
        return np.atleast_2d(values_at[round(-line.weight.item())])

    def loss_of(step: int) -> torch.Tensor:  # against the rate, which falls from 1 to 0
        return line.weight.sum() / ((6 - step) / 6)

    m, Q = np.atleast_2d(values_at[0]).shape
    groups = np.repeat([0, 1], Q // 2)
    validation = Validation(values, groups, ["RR@10", "R@100"][:m], every, patience)
    steepest = torch.optim.SGD(line.parameters(), lr=1.0)
    keeper = Checkpoint(folder, 1e9, {})
    train(line, steepest, loss_of, 6, 0, 1, [], keeper, "line", validation)
    return line, validation


def test_no_group_pays_for_anothers_gain(tmp_path):
    values = {
        0: [0.1] * 4,
        2: [0.9, 0.9, 0.0, 0.1],
        4: [0.5, 0.4, 0.3, 0.4],
        6: [0.9, 0.8, 0.2, 0.2],
    }
    line, validation = walk(values, tmp_path, every=2)
    # the least of both groups' means, minus 0.1: -0.05, 0.25, 0.1
    assert [step for step, *_ in validation.curve] == [0, 2, 4, 6]
    assert [at.gain for at in validation.curve] == pytest.approx([0, -0.05, 0.25, 0.1])
    assert [at.value for at in validation.curve] == pytest.approx([0.1, 0.475, 0.4, 0.525])
    assert line.weight.item() == pytest.approx(-4)
    write_curve(validation.rows(), tmp_path / "training.csv")
    table = read_curve(tmp_path / "training.csv")
    assert table["kept"].tolist() == [0, 0, 1, 0] and set(table["measure"]) == {"RR@10"}


def test_a_gain_that_may_be_chance_is_not_taken(tmp_path):
    # changes 0.4, 0, 0, 0: mean 0.1, deviation 0.2, bound 0.1 - 1.645 * 0.2 / 2
    assert lower_bound(np.array([0.4, 0, 0, 0])) == pytest.approx(-0.0645)
    assert lower_bound(np.array([0.4])) == -np.inf
    values = {0: [0.1] * 4, 3: [0.5, 0.1, 0.1, 0.1], 6: [0.12, 0.12, 0.11, 0.12]}
    line, validation = walk(values, tmp_path, every=3)
    assert line.weight.item() == pytest.approx(-6)  # the smaller gain, which is sure
    assert validation.curve[1].bound < 0 < validation.curve[2].bound


def test_a_gain_that_another_measure_pays_for_is_not_taken(tmp_path):
    # R@100 of the second group: three of four queries lose, p = 1/8; then two, p = 1/4
    values = {
        0: [[0.1] * 8, [1.0] * 8],
        3: [[0.4] * 8, [1.0] * 4 + [0.0, 0.0, 1.0, 0.0]],
        6: [[0.2] * 8, [1.0] * 4 + [0.0, 0.0, 1.0, 1.0]],
    }
    line, validation = walk(values, tmp_path, every=3)
    assert [at.losses for at in validation.curve] == ["", "R@100", ""]
    assert line.weight.item() == pytest.approx(-6)
    write_curve(validation.rows(), tmp_path / "training.csv")
    table = read_curve(tmp_path / "training.csv")
    assert table["losses"].tolist() == ["", "R@100", ""] and table["kept"].tolist() == [0, 0, 1]


def test_the_chance_of_a_loss_is_that_of_all_sign_patterns():
    def by_hand(change: list[float]) -> float:
        sums = [np.dot(signs, change) for signs in product([-1, 1], repeat=len(change))]
        return np.mean([total <= sum(change) + 1e-12 for total in sums])

    for change in [[-1, -1], [-1, -1, -1], [-0.5, 0.2, -0.1], [0.1, -0.4, -0.3, 0.2, -0.1]]:
        assert chance_of_loss(np.array([*change, 0, 0])) == pytest.approx(by_hand(change))
    assert chance_of_loss(np.array([-1.0])) == 0.5  # of one query either sign is as probable
    assert chance_of_loss(np.array([1.0, -0.5])) == chance_of_loss(np.zeros(3)) == 1


def test_the_chance_of_a_loss_of_many_queries_is_that_of_the_t_test():
    change = np.random.default_rng(3).normal(0, 1, 500)
    change += -0.05 - change.mean()
    expected = ttest_1samp(change, 0, alternative="less").pvalue
    assert 0.05 < expected < 0.3
    assert chance_of_loss(change) == pytest.approx(expected, abs=0.03)


def test_a_group_may_be_level_where_all_queries_gain(tmp_path):
    # second group: -0.01 in the mean, as often by chance; then each of four loses
    level, lost = [-0.03, 0.01, -0.03, 0.01], [-0.06, -0.05, -0.06, -0.05]
    groups = np.repeat([0, 1], 4)
    assert losses(np.array([[0.3] * 4 + level]), groups, ["RR@10"]) == []
    assert losses(np.array([[0.3] * 4 + lost]), groups, ["RR@10"]) == ["RR@10"]
    values = {0: [0.1] * 8, 3: [0.4] * 4 + [0.1 + c for c in level]}
    values[6] = [0.4] * 4 + [0.1 + c for c in lost]
    line, validation = walk(values, tmp_path, every=3)
    assert line.weight.item() == pytest.approx(-3) and validation.curve[1].gain < 0


def test_what_a_group_seems_to_lose_is_less_than_what_is_surely_gained(tmp_path):
    # second group: two queries of four lose, which may be chance (p = 1/4); both groups gain surely
    less, more = [-0.04, 0.0, -0.04, 0.0], [-0.5, 0.0, -0.5, 0.0]
    values = {0: [0.5] * 8}
    values |= {at: [0.9] * 4 + [0.5 + c for c in own] for at, own in [(3, less), (6, more)]}
    line, validation = walk(values, tmp_path, every=3)
    changes = [np.array([0.4] * 4 + own) for own in (less, more)]
    bounds = [lower_bound(change) + change[4:].mean() for change in changes]
    assert [at.bound for at in validation.curve[1:]] == pytest.approx(bounds)
    assert [at.losses for at in validation.curve] == ["", "", ""]
    assert bounds[0] > 0 > bounds[1] and line.weight.item() == pytest.approx(-3)


def test_the_start_is_a_candidate_and_the_first_of_equals_is_kept(tmp_path):
    worse = {0: [0.5] * 4, 3: [0.4] * 4, 6: [0.5] * 4}
    line, validation = walk(worse, tmp_path, every=3)
    assert line.weight.item() == 0 and validation.rows()[0][-1] == 1


def test_patience_ends_a_training(tmp_path):
    values = {0: [0.5] * 4, 1: [0.6] * 4, 2: [0.5] * 4, 3: [0.5] * 4}
    line, validation = walk(values, tmp_path, every=1, patience=2)
    assert [step for step, *_ in validation.curve] == [0, 1, 2, 3]
    assert line.weight.item() == pytest.approx(-1)


def test_without_a_measurement_the_last_weights_are_kept(tiny, tmp_path):
    paths = (tmp_path / "i.faiss", tmp_path / "e", tmp_path / "s")
    out = tmp_path / "training.csv"
    flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **OPTIONS, dev=DevOptions(out))
    assert out.read_text() == "step,measure,value,gain,bound,losses,kept\n"


def test_a_killed_training_resumes_with_the_same_choice(tiny, tmp_path):
    def run(name: str, **more) -> list[bytes]:
        out = tmp_path / name
        paths = (out / "i.faiss", out / "e", out / "s")
        curve = out / "training.csv"
        dev = DevOptions(curve, validate_every=2, dev_queries=7)
        flat(jpq)(tiny.collection, tiny.encoder, tiny.opq, *paths, **OPTIONS, dev=dev, **more)
        return [p.read_bytes() for p in (paths[0], paths[1] / "model.safetensors", curve)]

    whole = run("whole")
    with killed(after=3):
        run("killed")
    assert run("killed") == whole
    assert len(whole[2].splitlines()) == 5  # steps 0, 2, 4 and 6


def test_dev_is_measured_as_by_the_double_loop(tiny):
    dev = read_dev(tiny.collection, DevOptions())
    queries = read_queries(tiny.collection, "dev")
    assert sorted(dev.query_ids) == sorted(queries["query_id"])
    rng = np.random.default_rng(0)
    rows = np.stack([rng.permutation(len(dev.doc_ids))[:50] for _ in dev.query_ids])
    qrels = read_qrels(tiny.collection / "qrels" / "dev.trec")
    for query_id, ranked, value in zip(dev.query_ids, rows, dev.values(rows)[0], strict=True):
        judged = qrels[qrels["query_id"].eq(query_id) & qrels["relevance"].gt(0)]
        ids = dev.doc_ids.iloc[ranked[:10]].tolist()
        right = [1 / (i + 1) for i, d in enumerate(ids) if d in set(judged["doc_id"])]
        assert value == pytest.approx(right[0] if right else 0)
    assert set(dev.groups) == {0}  # ten queries are too few to tell two groups apart
    few = read_dev(tiny.collection, DevOptions(dev_queries=4))
    assert few.query_ids == dev.query_ids[:4]


def test_dev_is_ranked_as_far_down_as_its_measures_look(tiny):
    """A document at rank 900 counts in R@1000, and no loss of it is overlooked."""
    dev, asked = read_dev(tiny.collection, DevOptions(dev_measures=["RR@10", "R@1000"])), []
    many = pd.Series([*dev.doc_ids, *(f"other-{i}" for i in range(1500))])
    row = {d: i for i, d in enumerate(many)}
    judged = dev.qrels[dev.qrels["relevance"].gt(0)].groupby("query_id")["doc_id"].first()

    def rank(k: int) -> np.ndarray:
        asked.append(k)
        rows = np.tile(np.arange(len(dev.doc_ids), len(dev.doc_ids) + k), (len(dev.query_ids), 1))
        rows[:, 899] = [row[judged[q]] for q in dev.query_ids]
        return rows

    values = replace(dev, doc_ids=many).validation(DevOptions(), rank).values()
    assert asked == [1001] and (values[0] == 0).all() and (values[1] > 0).all()


def test_a_sample_holds_what_is_relevant_and_others(tiny):
    dev = read_dev(tiny.collection, DevOptions())
    part, rows = sample(dev, 30)
    relevant = part.qrels[part.qrels["relevance"].gt(0)]["doc_id"]
    assert set(relevant) <= set(dev.doc_ids.iloc[rows]) and len(rows) == len(set(rows)) == 30
    assert part.query_ids == dev.query_ids  # their documents are half of the rows at most
    fewer, rows = sample(dev, 10)
    assert len(rows) == 10 and 0 < len(fewer.query_ids) < len(dev.query_ids)
    whole, rows = sample(dev, 10**6)
    assert whole is dev and rows.tolist() == list(range(len(dev.doc_ids)))


def test_exact_search_and_the_index_rank_as_a_sort_does(tiny):
    docs = np.load(tiny.docs).astype(np.float32)
    queries = docs[:5] + 0.01
    expected = np.argsort(-(queries @ docs.T), axis=1, kind="stable")[:, :7]
    assert np.array_equal(best_rows(queries, docs, 7), expected)
    assert read_pq(tiny.opq).codes.shape[0] == len(docs)


def test_a_curve_of_other_columns_is_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(InputError, match=r"c\.csv"):
        read_curve(tmp_path / "c.csv")
