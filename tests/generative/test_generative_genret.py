"""GenRet: balanced tokens, the tokenizer, its progressive training, and the stage."""

from collections import Counter

import numpy as np
import pytest
import torch

import tiny as tiny_data
from jointir.basics.errors import InputError
from jointir.basics.files import sha256
from jointir.generative import balanced, progressive
from jointir.generative.balanced import balanced_tokens
from jointir.generative.genret import genret, numbered
from jointir.generative.holdout import seen_documents
from jointir.generative.ids import read_ids
from jointir.generative.model import GenerativeRetriever
from jointir.generative.progressive import Objective, balanced_centres
from jointir.generative.tokenizer import Tokenizer
from jointir.methods.genret import Settings

N, D, P, V, WIDTH = 60, 8, 2, 4, 16
LEARN = {"steps": 16, "batch": 12, "refresh": 2, "epsilon": 0.05, "scale": 20.0}
LEARN |= {"lr": 1e-2, "warmup": 1, "seed": 1, "holdout": 0.0}
SHAPE = {"indexer": "none", "length": 3, "vocabulary": 16, "decoder": "prefix"}
SHAPE |= {"layers": 1, "width": WIDTH, "prototypes": 2}


def of_one_group(scores, epsilon):
    """Return tokens by a loop over documents and tokens: float64[m, V] to list."""
    m, tokens = scores.shape
    middle = (scores.max() + scores.min()) / 2
    kernel = np.exp((scores - middle) / (scores.max() - middle + 1e-5) / epsilon)
    price = np.ones(tokens)
    for _ in range(balanced.ITERATIONS):
        plan = kernel * price
        plan /= m * plan.sum(1, keepdims=True)
        unpriced = plan / price
        price = np.array([min(1, max(1 / tokens, 1 / m) / column.sum()) for column in unpriced.T])
    return (kernel * price).argmax(1).tolist()


@pytest.mark.parametrize("part", [1, 2**23])
def test_tokens_are_balanced_in_each_group_by_itself(monkeypatch, part):
    monkeypatch.setattr(balanced, "PART", part)
    rng = np.random.default_rng(1)
    group = rng.permutation(np.repeat([7, 3, 9, 4, 100], [1, 2, 5, 12, 40]))
    scores = rng.standard_normal((60, V))
    scores[:, 0] += 2  # the first token is liked by all
    found = balanced_tokens(torch.from_numpy(scores), torch.from_numpy(group), 0.1)
    for one in np.unique(group):
        own = group == one
        assert found[own].tolist() == of_one_group(scores[own], 0.1), one
    alone = group == 7
    assert found[alone].tolist() == scores[alone].argmax(1).tolist()
    pair = found[group == 3]
    assert pair[0] != pair[1]
    counts = torch.bincount(found[group == 100], minlength=V)
    assert counts.min() >= 7 and counts.max() <= 13
    assert np.bincount(scores[group == 100].argmax(1), minlength=V).max() > 20


def test_centres_are_of_clusters_of_like_size():
    rng = torch.Generator().manual_seed(0)
    x = torch.cat([torch.randn(90, D, generator=rng), 3 + torch.randn(10, D, generator=rng)])
    centres = balanced_centres(x, V, settings())
    assert centres.shape == (V, D)
    nearest = torch.cdist(x, centres).argmin(1)
    assert torch.bincount(nearest, minlength=V).min() >= 10
    plain = torch.cdist(x, progressive.k_means(x, V, 1)).argmin(1)
    assert not torch.equal(nearest, plain)


def settings(**changed):
    return Settings(**LEARN | changed)


def tokenizer(unit=1.0):
    """Return one with random weights in the place of zeros."""
    generator = torch.Generator().manual_seed(3)
    model = Tokenizer(D, P, V, WIDTH, 20.0, unit)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    return model


def test_a_state_is_of_the_embedding_and_the_prefix():
    model, generator = tokenizer(unit=4.0), torch.Generator().manual_seed(4)
    e, prefix = 2 * torch.randn(5, D, generator=generator), torch.tensor([[0], [3], [3], [1], [2]])
    first, after = model.state(e, prefix[:, :0]), model.state(e, prefix)
    for b in range(5):
        rest, token = e[b] * (D / 4) ** 0.5, torch.zeros(D)
        for i, state in enumerate((first[b], after[b])):
            if i:
                token = model.books[0][prefix[b, 0]]
                rest = first[b] - token
            raw = rest + model.networks[i](torch.cat([rest, token]))
            torch.testing.assert_close(state, raw / raw.norm() * D**0.5)
    right = [[20 / D * (s @ t).item() for t in model.books[1]] for s in after]
    np.testing.assert_allclose(model.scores(after, 1).tolist(), right, rtol=1e-4, atol=1e-4)
    tokens = model.tokens(e, P)
    assert torch.equal(tokens[:, 0], model.scores(first, 0).argmax(1))
    second = model.scores(model.state(e, tokens[:, :1]), 1).argmax(1)
    assert torch.equal(tokens[:, 1], second)
    after.sum().backward()  # the first position is done
    assert model.books[0].grad is None and model.networks[0][0].weight.grad is None
    assert model.networks[1][0].weight.grad is not None


def objective(**changed):
    """Return one over random embeddings, of which the first half has queries."""
    generator = torch.Generator().manual_seed(5)
    docs = torch.nn.functional.normalize(torch.randn(N, D, generator=generator), dim=1)
    near = docs[: N // 2] + 0.1 * torch.randn(N // 2, D, generator=generator)
    relevant = [np.array([i, i + 1]) if i % 3 == 0 else np.array([i]) for i in range(N // 2)]
    torch.manual_seed(0)
    model = Tokenizer(D, P, V, WIDTH, 20.0)
    return Objective(model, docs, near, relevant, settings(**changed))


def train(learned, steps):
    optimizer = torch.optim.AdamW(learned.parameters(), lr=1e-2)
    for step in steps:
        optimizer.zero_grad()
        learned.loss(step).backward()
        optimizer.step()


def test_documents_of_a_batch_share_prefixes_and_have_queries():
    learned, real = objective(), 0
    with torch.no_grad():
        learned.fixed[:, 0] = torch.arange(N) % V
    for step in range(8, 16):
        rows, own, e = learned.batch(step)
        assert len(set(rows)) == len(rows) == 12 and set(rows % V) == {rows[0] % V}
        again = learned.batch(step)
        assert (again[0] == rows).all() and torch.equal(again[2], e)
        for row, q, embedding in zip(rows, own, e, strict=True):
            if q >= 0:
                assert row in learned.relevant[q] and torch.equal(embedding, learned.queries[q])
                real += 1
            else:
                assert not torch.equal(embedding, learned.docs[row])
                torch.testing.assert_close(embedding.norm(), torch.tensor(1.0))
    assert 12 < real < 48  # of 96, about half of which have queries
    rows, own = np.array([3, 4, 9]), np.array([3, -1, 9])  # 3 and 4 answer query 3
    right = [[False, False, True], [True, False, True], [True, True, False]]
    assert learned.irrelevant(rows, own).tolist() == right


def test_the_loss_is_that_of_the_code():
    learned = objective()
    train(learned, range(2))
    assert learned.tokens is None
    rows, own, e = learned.batch(1)
    q, d = (learned.tokenizer.state(x, torch.zeros(12, 0)) for x in (e, learned.docs[rows]))
    alone = learned.loss(1).item()
    assert alone == pytest.approx(retrieval(learned, rows, own, q, d), rel=1e-4)
    train(learned, [2])
    rows, own, e = learned.batch(3)
    q, d = (learned.tokenizer.state(x, torch.zeros(12, 0)) for x in (e, learned.docs[rows]))
    total, book = retrieval(learned, rows, own, q, d), learned.tokenizer.books[0]
    for a, row in enumerate(rows):
        token = learned.tokens[row]
        for state in (q[a], d[a]):
            total -= (20 / D * book @ state).log_softmax(0)[token].item() / 12
        total -= 0.2 * (20 / D * d @ book[token]).log_softmax(0)[a].item() / 12
    assert learned.loss(3).item() == pytest.approx(total, rel=1e-4)


def retrieval(learned, rows, own, q, d):
    total = 0.0
    for a, query in enumerate(own):
        answers = learned.relevant[query] if query >= 0 else [rows[a]]
        others = [b for b in range(len(rows)) if b == a or rows[b] not in answers]
        products = torch.stack([20 / D * q[a] @ d[b] for b in others])
        total -= products.log_softmax(0)[others.index(a)].item() / len(rows)
    return total


def test_a_position_that_is_done_stays():
    learned = objective()
    assert learned.each == 8 and [learned.position(s) for s in (0, 7, 8, 15)] == [0, 0, 1, 1]
    train(learned, range(8))
    balance = learned.tokens
    assert torch.bincount(balance, minlength=V).min() > N / V / 2
    before = learned.tokenizer.tokens(learned.docs, 1)
    states = learned.tokenizer.state(learned.docs, before[:, :0])
    train(learned, range(8, 16))
    assert torch.equal(learned.prefixes(1), before)
    assert torch.equal(learned.tokenizer.tokens(learned.docs, 1), before)
    assert torch.equal(learned.tokenizer.state(learned.docs, before[:, :0]), states)
    ids = learned.tokenizer.tokens(learned.docs, 2)
    assert len(torch.unique(ids, dim=0)) > len(torch.unique(before))


def test_documents_of_one_prefix_are_numbered():
    ids = np.random.default_rng(0).integers(0, 3, (50, 2))
    seen, right = Counter(), []
    for row in ids.tolist():
        right.append([*row, seen[tuple(row)] % 4])
        seen[tuple(row)] += 1
    assert numbered(ids, 4).tolist() == right and max(seen.values()) > 4


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_data.make(tmp_path_factory.mktemp("tiny"))


def run(tiny, out, **changed):
    paths = {"out": out / "model", "out_ids": out / "ids.parquet", "scratch": out / "scratch"}
    given = SHAPE | LEARN | {"checkpoint_minutes": 0} | changed
    tiny_data.flat(genret)(tiny.collection, tiny.encoder, tiny.docs, **paths, **given)
    return sha256(out / "model"), sha256(out / "ids.parquet")


def test_killed_and_resumed_is_uninterrupted(tiny, tmp_path):
    whole = run(tiny, tmp_path / "a")
    ids = read_ids(tmp_path / "a/ids.parquet")[1]
    assert ids.shape == (tiny_data.N, 3) and ids.max() < 16
    assert len(np.unique(ids, axis=0)) > 0.9 * tiny_data.N
    model = GenerativeRetriever.load(tmp_path / "a/model")
    assert model.shape.length == 3 and model.shape.decoder == "prefix"
    for after in (5, 8, 12):  # in the first position, between, and in the second
        with tiny_data.killed(after):
            run(tiny, tmp_path / str(after))
        assert not (tmp_path / str(after) / "ids.parquet").exists()
        assert run(tiny, tmp_path / str(after)) == whole


def test_documents_that_are_held_out_get_identifiers_too(tiny, tmp_path, monkeypatch):
    seen = []
    right = Objective.__init__
    monkeypatch.setattr(
        Objective, "__init__", lambda self, *args: (seen.append(args[1]), right(self, *args))[1]
    )
    run(tiny, tmp_path, holdout=0.25)
    docs = np.load(tiny.docs).astype(np.float32)
    np.testing.assert_array_equal(seen[0], docs[seen_documents(tiny_data.N, 0.25, 1)])
    assert len(read_ids(tmp_path / "ids.parquet")[0]) == tiny_data.N


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"length": 1}, r"asi\.length: 1 leaves none to learn"),
        ({"vocabulary": 2000}, r"asi\.vocabulary: 2000 tokens a position, but 320 documents"),
        ({"steps": 7}, r"--steps: 7 for 2 positions that change their tokens each 2\. Set 8 at"),
        ({"epsilon": 0.0}, r"--epsilon: 0\.0 is not above 0"),
    ],
)
def test_what_cannot_be_learned_is_refused(tiny, tmp_path, changed, said):
    with pytest.raises(InputError, match=said):
        run(tiny, tmp_path, **changed)
    assert not any(tmp_path.iterdir())
