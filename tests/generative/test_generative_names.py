"""Identifiers that are names: which documents share one, and what a decoder may write."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from jointir.basics.errors import InputError
from jointir.generative.beam import beam_search
from jointir.generative.decoder import make_decoder
from jointir.generative.names import name_ids, name_words
from jointir.generative.tree import PrefixTree
from jointir.measure.identifiers import id_statistics

PIECES = ["[UNK]", "unused", "a", "b", "run", "##s", "all", "C", "x", "of", "time"]
TITLES = ["a.b.run(x, y=0)", "a.b.runs", "class a.b.C(x)", "a.C.run_all(self)", "a/b/run", "b.run"]


@pytest.fixture(scope="module")
def tokenizer():
    pieces = [*PIECES, "class", "/", "."]
    words = models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]")
    raw = Tokenizer(words)
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="[UNK]")


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("a.b.C.run_all(x, y=0.5)", "run all C b a"),
        ("https://a.b/c/run.html", "html run c b a https:"),
        ("A short history of time (book)", "A short history of time (book)"),
        ("", ""),
    ],
)
def test_the_last_level_comes_first(title, words):
    assert name_words(title) == words


def test_names_become_their_pieces_and_an_end(tokenizer):
    ids = name_ids(TITLES, tokenizer, 5, "here")
    # those that occur, in the vocabulary's order, from 1: a b run ##s all C class
    numbers = {piece: i for i, piece in enumerate(["a", "b", "run", "##s", "all", "C", "class"], 1)}
    expected = ["run b a", "run ##s b a", "C b class a", "run all C a", "run b a", "run b"]
    for row, pieces in zip(ids, expected, strict=True):
        own = [numbers[piece] for piece in pieces.split()]
        assert row.tolist() == own + [0] * (5 - len(own))


def test_documents_share_an_identifier_exactly_where_their_names_are_equal(tokenizer):
    rng = np.random.default_rng(0)
    parts = ["a", "b", "run", "all", "C"]
    titles = [".".join(rng.choice(parts, rng.integers(1, 5))) for _ in range(200)]
    ids = name_ids(titles, tokenizer, 4, "here")
    names = [name_words(title) for title in titles]
    same = np.array([[a == b for b in names] for a in names])
    assert (same == (ids[:, None] == ids[None]).all(2)).all() and 0.01 < same.mean() < 0.5
    short = name_ids(titles, tokenizer, 2, "here")
    firsts = [name.split()[:2] for name in names]
    same = np.array([[a == b for b in firsts] for a in firsts])
    assert (same == (short[:, None] == short[None]).all(2)).all()


def test_constrained_decoding_writes_existing_names_alone(tokenizer):
    ids = name_ids(TITLES, tokenizer, 5, "here")
    V = int(ids.max()) + 1
    torch.manual_seed(0)
    decoder = make_decoder("prefix", 8, 5, V, layers=1, width=6, K=2)
    decoder.begin(torch.from_numpy(ids), torch.randn(len(ids), 8), 5.0)
    found, scores = beam_search(decoder, torch.randn(7, 8), 10, PrefixTree(ids, V))
    existing = set(map(tuple, ids.tolist()))
    assert len(existing) == 5
    for own, real in zip(found, scores.isfinite(), strict=True):
        written = list(map(tuple, own[real].tolist()))
        assert set(written) == existing and len(written) == 5


def test_padded_names_are_counted(tokenizer):
    found = id_statistics(name_ids(TITLES, tokenizer, 5, "here"), 8)
    assert found["unique ids"] == 5 and found["documents an id, max"] == 2
    assert found["documents an id, mean"] == 6 / 5 and found["alone"] == 4 / 6
    assert found["empty share"] == 1 - 5 / 8**5
    assert found["perplexity 5"] == 1  # the end alone


def test_documents_without_a_title_are_refused(tokenizer):
    line = r"here: 2 of 3 documents have no title, which is to be their name. Leave systems with"
    with pytest.raises(InputError, match=line):
        name_ids(["a.b", "", " "], tokenizer, 3, "here")


def test_more_identifiers_than_numbers_are_refused(tokenizer):
    with pytest.raises(InputError, match=r"asi\.length: 40 positions of 8 tokens"):
        name_ids(TITLES, tokenizer, 40, "here")
