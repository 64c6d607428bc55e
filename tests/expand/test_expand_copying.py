"""The copy distribution of a pointer-generator against loops; the filter; queries on disk."""

import numpy as np
import pandas as pd
import pytest
import torch

from jointir.basics.errors import InputError
from jointir.data.generated import expanded, generated_rows, read_generated, write_generated
from jointir.expand.consistency import ranks
from jointir.expand.copying import OTHER, Places, mixture, written

EOS = 3


def naive_mixture(p_vocab, attention, gate, source, vocabulary):
    """Return {token: P} of eq. 9, for one state and one source."""
    found = {}
    for place, token in enumerate(vocabulary):
        found[token] = gate * p_vocab[place]
    for token, a in zip(source, attention, strict=True):
        found[token] = found.get(token, 0) + (1 - gate) * a
    return found


def test_written_words_are_those_of_two_queries():
    queries = [[5, 9, 9], [5, 7], [8, EOS], [7, EOS]]
    assert written(queries, EOS).tolist() == [EOS, -1, 5, 7]


def test_the_copy_distribution_is_that_of_a_loop():
    rng = np.random.default_rng(0)
    vocabulary = [EOS, -1, 5, 7, 11]
    source = np.array([[5, 20, 7, 20, 30, 5], [30, 31, 32, 30, 11, 40]])
    B, t, T, V = 2, 3, source.shape[1], len(vocabulary)
    p_vocab = torch.tensor(rng.dirichlet(np.ones(V), (B, t)))
    attention = torch.tensor(rng.dirichlet(np.ones(T), (B, t)))
    gate = torch.tensor(rng.random((B, t, 1)))
    places = Places(torch.tensor(vocabulary), 50)
    found = mixture(p_vocab, attention, gate, places.of_source(torch.tensor(source)))
    assert found.shape == (B, t, V + T)
    torch.testing.assert_close(found.sum(2), torch.ones(B, t, dtype=found.dtype))
    for b in range(B):
        for i in range(t):
            row = source[b].tolist()
            right = naive_mixture(p_vocab[b, i], attention[b, i], gate[b, i, 0], row, vocabulary)
            own = {}
            for place, value in enumerate(found[b, i].tolist()):
                token = vocabulary[place] if place < V else row[place - V]
                own[token] = own.get(token, 0) + value
            # all of a token's mass is at one place: the vocabulary's, or the first of the source's
            once = [row.index(token) + V for token in set(row) - set(vocabulary)]
            rest = set(range(V, V + T)) - set(once)
            assert all(found[b, i, place] == 0 for place in rest)
            assert own.keys() == right.keys()
            for token, value in right.items():
                assert own[token] == pytest.approx(float(value))


def test_places_of_targets_are_those_of_a_loop():
    vocabulary = torch.tensor([EOS, -1, 5, 7])
    source = torch.tensor([[20, 5, 30, 20], [30, 40, 7, 7]])
    target = torch.tensor([[5, 20, 30, 99, EOS], [20, 40, 7, 30, EOS]])
    found = Places(vocabulary, 100).of_target(target, source)
    kept = {EOS: 0, 5: 2, 7: 3}
    for own, row, places in zip(target.tolist(), source.tolist(), found.tolist(), strict=True):
        right = [kept.get(w, 4 + row.index(w) if w in row else OTHER) for w in own]
        assert places == right
    assert (found == OTHER).any()


def test_ranks_are_those_of_a_loop(monkeypatch):
    rng = np.random.default_rng(1)
    docs = rng.integers(-2, 3, (40, 3)).astype(np.float32)  # with ties
    queries, rows = rng.integers(-2, 3, (25, 3)).astype(np.float32), rng.integers(0, 40, 25)
    monkeypatch.setattr("jointir.expand.consistency.SCORES", 40 * 7)  # several parts
    found = ranks(queries, docs, rows)
    for query, row, rank in zip(queries, rows, found, strict=True):
        higher = sum(1 for doc in docs if query @ doc > query @ docs[row])
        assert rank == 1 + higher
    assert (found == 1).any() and (found > 1).any()


def test_expanded_documents_have_their_queries_behind_their_text(tmp_path):
    path, ids = tmp_path / "queries.parquet", pd.Series(["a", "b", "c"])
    told = {"doc_id": ["c", "a", "c"], "text": ["how so", "why", "when"], "rank": [1, 3, 2]}
    write_generated(path, pd.DataFrame(told))
    assert read_generated(path).to_dict("list") == told
    assert generated_rows(path, ids)["row"].tolist() == [2, 0, 2]
    assert expanded(["A", "B", "C"], ids, path) == ["A why", "B", "C how so when"]
    with pytest.raises(InputError, match="'c', which is no document here"):
        expanded(["A", "B"], ids[:2], path)
