"""Collections of the field in training and search: what is never a negative, never an answer."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

import tiny as made
from jointir.basics.errors import InputError
from jointir.data.dataset import Choices, Dataset, write_dataset
from jointir.data.store import About, document_texts, read_corpus, write_about
from jointir.data.trec import read_run
from jointir.encode.embed import embed, embed_texts
from jointir.encode.encoder import DualEncoder
from jointir.generative.asi import asi
from jointir.generative.assign import assign_ids
from jointir.generative.generate import generate
from jointir.generative.ids import keys, read_ids, write_ids
from jointir.generative.pairs import Pairs
from jointir.joint.dpq import dpq, sampler
from jointir.joint.index import TrainablePQ
from jointir.joint.jpq import jpq
from jointir.joint.negatives import negatives, negatives_of
from jointir.joint.uncompressed import Uncompressed
from jointir.measure.expectation import measure_ids
from jointir.measure.retrieve import retrieve
from jointir.quantize.pq import read_pq
from jointir.retrievers.adore import adore
from jointir.retrievers.colbert import colbert
from jointir.retrievers.dual import dual
from jointir.retrievers.star import star
from jointir.retrievers.tct import tct
from jointir.train.batches import Batches
from jointir.train.mining import mine
from jointir.train.negatives import bm25_negatives, random_negatives
from jointir.train.pairs import TrainingPairs, training_pairs
from test_generative_training import SETTINGS as ASI

N, DEPTH, EMPTY = 320, 20, "d319"
CHAIN = {"train": range(24), "dev": range(40, 46), "test": range(60, 66)}  # d_i asks for d_i+1
ODD = {  # training queries, and what is relevant to them
    "all": [f"d{i}" for i in range(N)],
    "all but 3": [f"d{i}" for i in range(3, N)],
    "d300": [EMPTY, "d101"],
    "d301": ["nowhere"],
    "d302": ["d302"],
    "d303": [EMPTY],
}
SKIPPED = ["all", "d301", "d302", "d303"]


def collection(out: Path, train: dict[str, list[str]], drop: bool = True) -> Path:
    """Write N documents, the chain's dev and test queries, and `train`; queries are documents."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(made.WORDS, 9)) for _ in range(N)]
    texts[N - 1] = ""
    corpus = {"doc_id": [f"d{i}" for i in range(N)], "title": [""] * N, "text": texts}
    of = {s: {f"d{i}": [f"d{i + 1}"] for i in CHAIN[s]} for s in ("dev", "test")} | {"train": train}
    names = [(query, split) for split in of for query in of[split]]
    asked = {"query_id": [q.replace(" ", "-") for q, _ in names], "split": [s for _, s in names]}
    asked["text"] = [texts[int(q[1:])] if q[1:].isdigit() else "w1 w2" for q, _ in names]
    rows = [(q.replace(" ", "-"), d, 1, s) for s in of for q in of[s] for d in of[s][q]]
    qrels = pd.DataFrame(rows, columns=["query_id", "doc_id", "relevance", "split"])
    data = Dataset([pd.DataFrame(corpus)], pd.DataFrame(asked), qrels)
    write_dataset(data, out, "field", Choices(drop))
    return out


@dataclass(frozen=True)
class Field:
    """What the trainings need, over a collection of odd queries and one of a single query."""

    odd: Path
    one: Path
    encoder: Path
    docs: Path
    opq: Path
    teacher: Path


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Field:
    folder = tmp_path_factory.mktemp("field")
    train = {f"d{i}": [f"d{i + 1}"] for i in CHAIN["train"]}
    odd = collection(folder / "odd", train | ODD)
    one = collection(folder / "one", {"d0": ["d1"]})
    paths = (folder / name for name in ("encoder", "docs.npy", "opq.faiss", "teacher"))
    field = Field(odd, one, *paths)
    made.save_encoder(field.encoder)
    embed(odd, field.encoder, field.docs, "document", dtype="float32")
    made.build("opq", field.docs, field.opq, made.M, iterations=2)
    train_it("colbert", field, odd, folder, field.teacher)
    return field


SHARED = {"steps": 2, "batch": 64, "lr": 1e-3, "warmup": 0, "seed": 3}
STAR = SHARED | {"scale": 20.0, "random_weight": 0.1, "depth": DEPTH}
LIST = SHARED | {"scale": 20.0, "negatives": DEPTH, "lambda_cut": 10}
TRAININGS = ["star", "random", "bm25", "own", "colbert", "tct", "adore", "jpq", "dpq", "asi"]


def train_it(name: str, field: Field, data: Path, folder: Path, out: Path) -> None:
    """Run one training for two steps, in which every query is drawn twice."""
    given = {"collection": data, "encoder": field.encoder, "scratch": folder / "scratch"}
    both = {"out_index": folder / "index.faiss", "out_encoder": out, "index": field.opq}
    docs = {"docs": field.docs}
    if name in ("random", "bm25", "own"):
        made.flat(dual)(**given, out=out, **docs, negatives=name, **STAR)
    elif name == "star":
        made.flat(star)(**given, **docs, out=out, **STAR)
    elif name == "colbert":
        options = SHARED | {"dim": 16, "head_lr": 1e-2, "random_weight": 0.1, "depth": DEPTH}
        made.flat(colbert)(**given, out=out, **options)
    elif name == "tct":
        options = SHARED | {"gamma": 0.1, "temperature": 0.25, "scale": 20.0, "depth": DEPTH}
        made.flat(tct)(**given, teacher=field.teacher, out=out, **options)
    elif name == "adore":
        made.flat(adore)(**given, **docs, out=out, **LIST)
    elif name == "jpq":
        made.flat(jpq)(**given, **both, **LIST, centroid_lr=1e-2)
    elif name == "dpq":
        options = SHARED | {"scale": 20.0, "pq_lr": 1e-2, "temperature": 0.03}
        made.flat(dpq)(**given, **both, **docs, **options, reconstruction=1.0)
    else:
        made.flat(asi)(**given, **docs, out=out, **ASI | {"steps": 2, "batch": 64})


@pytest.mark.parametrize("name", TRAININGS)
def test_every_training_learns_from_the_queries_that_it_can(name, field, tmp_path, capsys):
    train_it(name, field, field.odd, tmp_path, tmp_path / "model")
    told = f"{len(SKIPPED)} training queries are skipped, 'all' first: no document in the corpus"
    assert capsys.readouterr().err.count(told) == 1
    weights = load_file(next((tmp_path / "model").rglob("model.safetensors")))
    assert all(np.isfinite(w).all() for w in weights.values())
    before = load_file(field.encoder / "model.safetensors")
    moved = [n for n, w in weights.items() if n in before and not np.array_equal(w, before[n])]
    assert len(moved) > 5


@pytest.mark.parametrize("name", TRAININGS)
def test_a_single_training_query_is_learned_or_refused(name, field, tmp_path):
    if name == "asi":
        with pytest.raises(InputError, match="1 training queries have all their documents among"):
            train_it(name, field, field.one, tmp_path, tmp_path / "model")
    else:
        train_it(name, field, field.one, tmp_path, tmp_path / "model")
        assert (tmp_path / "model").is_dir()


@pytest.fixture(scope="module")
def pairs(field) -> TrainingPairs:
    return training_pairs(field.odd, "all")


def names(field: Field, pairs: TrainingPairs) -> list[str]:
    """Return the ids of the queries that are trained on."""
    queries = pd.read_parquet(field.odd / "queries.parquet")
    kept = queries[queries["split"].eq("train") & ~queries["query_id"].isin(SKIPPED)]["query_id"]
    assert len(kept) == len(pairs.texts)
    return kept.tolist()


def test_never_holds_what_is_relevant_and_the_querys_own_document(field, pairs):
    for name, positives, never in zip(names(field, pairs), *pairs[1:3], strict=True):
        if name == "all-but-3":
            assert never.tolist() == list(range(3, N))
            assert positives.tolist() == list(range(3, N - 1))  # not the one without text
        elif name == "d300":
            assert positives.tolist() == [101] and sorted(never) == [101, 300, N - 1]
        else:
            row = int(name[1:])
            assert positives.tolist() == [row + 1] and sorted(never) == [row, row + 1]


def test_without_the_option_a_querys_own_document_is_like_any_other(tmp_path):
    train = {"d0": ["d1"], "d5": ["d5", "d6"]}
    found = training_pairs(collection(tmp_path / "c", train, drop=False))
    assert [p.tolist() for p in found.positives] == [[1], [5, 6]]
    assert [n.tolist() for n in found.never] == [[1], [5, 6]]
    assert not (tmp_path / "c" / "about.json").exists()


def quantized(index: TrainablePQ, queries: np.ndarray, pairs: TrainingPairs) -> np.ndarray:
    return negatives_of(index, queries, pairs.never, pairs.among, DEPTH, "x")


MINERS = {
    "star": lambda f, p, q: mine(q, np.load(f.docs), p, DEPTH),
    "random": lambda f, p, q: random_negatives(p, DEPTH, 1),
    "bm25": lambda f, p, q: bm25_negatives(p, bodies(f), DEPTH, 1),
    "jpq": lambda f, p, q: quantized(TrainablePQ(read_pq(f.opq)), q, p),
    "adore": lambda f, p, q: quantized(Uncompressed(np.load(f.docs)), q, p),
}


def bodies(field: Field) -> list[str]:
    return document_texts(read_corpus(field.odd))


@pytest.mark.parametrize("miner", MINERS)
def test_negatives_are_as_many_as_a_query_can_have_and_none_of_never(miner, field, pairs):
    model = DualEncoder.load(field.encoder).eval()
    queries = embed_texts(model, pairs.texts, "query", 256, False)
    found = MINERS[miner](field, pairs, queries)
    assert found.shape == (len(pairs.texts), DEPTH)
    for name, never, row in zip(names(field, pairs), pairs.never, found, strict=True):
        real = row[row >= 0]
        assert not set(real) & set(never)
        if name == "all-but-3":
            assert set(real) == {0, 1, 2}
        elif miner != "random":
            assert len(real) == DEPTH
        if miner in ("star", "jpq", "adore"):
            assert len(set(real)) == len(real)


def test_of_a_batch_a_querys_own_document_is_no_negative(field, pairs):
    model = DualEncoder.load(field.encoder)
    found = random_negatives(pairs, DEPTH, 1)
    batches = Batches(model, pairs, lambda _: found, bodies(field), 64, 1)
    row = {tuple(t): i for i, t in enumerate(model.tokenize(bodies(field), "document"))}
    texts = [tuple(t) for t in model.tokenize(pairs.texts, "query")]
    own_in_batch = 0
    q, d, mask = batches(0)
    for tokens, masked in zip(q, mask.numpy(), strict=True):
        at = texts.index(tuple(tokens))
        docs = [row[tuple(t)] for t in d]
        assert masked.tolist() == [x in pairs.never[at] for x in docs]
        own_in_batch += sum(x in pairs.never[at] and x not in pairs.positives[at] for x in docs)
    assert own_in_batch > 20  # the chain: each is the positive of the one before it
    chosen, docs, mask = sampler(pairs, 64, 1)(0)
    for text, masked in zip(chosen, mask.numpy(), strict=True):
        assert masked.tolist() == [x in pairs.never[pairs.texts.index(text)] for x in docs]


def test_asis_pairs_know_the_same(field, pairs):
    kept = np.delete(np.arange(N), [7, 15])  # neither d7, d15 nor their queries are seen
    found = Pairs(field.odd, DualEncoder.load(field.encoder), kept, 1)
    for text, relevant, never in zip(found.queries, found.relevant, found.never, strict=True):
        at = pairs.texts.index(text)
        assert kept[relevant].tolist() == pairs.positives[at].tolist()
        assert set(kept[never]) == set(pairs.never[at]) - {7, 15}
    assert len(found.queries) == len(pairs.texts) - 3  # d6, d14, and all but 3


def test_the_overlap_of_negatives_is_measured_where_a_query_has_three(field, tmp_path):
    out = tmp_path / "n.csv", tmp_path / "n.parquet"
    negatives(field.odd, field.encoder, field.docs, [field.opq], *out, n=DEPTH, M=made.M)
    (row,) = pd.read_csv(out[0]).itertuples()
    assert (row.negatives, row.queries) == (DEPTH, 26) and 0 < row.overlap <= row.high <= 1


def search_it(
    system: str, field: Field, data: Path, folder: Path, k: int
) -> dict[str, dict[str, float]]:
    """Return the documents found for each test query with their scores, best first."""
    out, meta = folder / "test.trec.gz", folder / "meta.json"
    if system == "bm25":
        made.rank("bm25", data, [out], meta, "field", k1=[1.2], b=[0.4], k=k)
    elif system == "late":
        made.rank("colbert", data, [out], meta, "field", model=field.teacher, k=k)
    else:
        embed(data, field.encoder, folder / "q.npy", "query", ["test"], dtype="float32")
        retrieve(data, field.opq, folder / "q.npy", [out], meta, "field", system, "", k=k)
    return read_run(out)


@pytest.mark.parametrize("k", [5, N])
@pytest.mark.parametrize("system", ["opq", "bm25", "late"])
def test_a_querys_own_document_is_no_answer(system, k, field, tmp_path):
    data = tmp_path / "collection"
    data.symlink_to(field.odd)
    dropped = search_it(system, field, data, tmp_path, k)
    plain = tmp_path / "plain"
    collection(plain, {"d0": ["d1"]}, drop=False)
    every = search_it(system, field, plain, tmp_path, N)
    assert list(dropped) == list(every)
    for query, found in every.items():
        assert found.pop(query) and query not in dropped[query]  # the text is the same: found
        # scores, not documents: of tied ones, another may come first or be the k-th
        expected = list(found.values())[:k]
        np.testing.assert_allclose(list(dropped[query].values()), expected, rtol=1e-5)
        np.testing.assert_allclose([found[d] for d in dropped[query]], expected, rtol=1e-5)


def test_a_document_alone_under_its_identifier_is_no_generated_answer(field, tmp_path):
    model, ids = tmp_path / "model", tmp_path / "ids.parquet"
    train_it("asi", field, field.odd, tmp_path, model)
    assign_ids(field.odd, model, ids, tmp_path / "e.npy")
    doc_ids, _ = read_ids(ids)
    codes = np.arange(N)[:, None] // [1, 16, 256] % 16  # all apart
    codes[doc_ids.index("d61")] = codes[doc_ids.index("d60")]
    write_ids(ids, pd.Series(doc_ids), codes)
    about = {"dataset": "field", "system": "asi", "seed": 1, "beam": N, "hybrid_beam": N}
    plain = collection(tmp_path / "plain", {"d0": ["d1"]}, drop=False)
    answers, hybrid = {}, {}
    for data in (field.odd, plain):
        out, runs = tmp_path / "answers.parquet", [tmp_path / "test.trec.gz"]
        paths = {"docs": tmp_path / "e.npy", "out": out, "runs": runs, "meta": tmp_path / "m.json"}
        generate(data, model, ids, **paths, **about)
        hybrid[data] = {q: list(found) for q, found in read_run(runs[0]).items()}
        found = pd.read_parquet(out).query("decoding == 'constrained'")
        found["key"] = keys(found)
        answers[data] = found.groupby("query_id")["key"].agg(list).to_dict()
        assert found.groupby("query_id")["rank"].agg(list).map(lambda r: r[0] == 1).all()
        measure_ids(out, runs, ids, data, tmp_path / f"{data.name}.parquet")
    key = dict(zip(doc_ids, keys(pd.read_parquet(ids)), strict=True))
    for query in (f"d{i}" for i in CHAIN["test"]):
        own = {key[query]} - {key["d60"]}  # which is d61's, too, and so an answer
        every = answers[plain][query]
        assert key[query] in every
        assert answers[field.odd][query] == [k for k in every if k not in own]
        others = [d for d in hybrid[plain][query] if d != query]
        assert hybrid[field.odd][query][: len(others)] == others
        assert query not in hybrid[field.odd][query]
    assert any(query in found for query, found in hybrid[plain].items())


def test_an_option_that_is_set_later_counts(field, tmp_path):
    data = collection(tmp_path / "c", {"d0": ["d1"]}, drop=False)
    assert "d60" in search_it("bm25", field, data, tmp_path, 5)["d60"]
    write_about(data, About(drop_identical_ids=True))
    assert "d60" not in search_it("bm25", field, data, tmp_path, 5)["d60"]
