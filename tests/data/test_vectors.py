"""Vectors from an API become a collection: what is read, what is refused, what is relevant."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from jointir.basics.errors import InputError
from jointir.data.embedded import corpus_vectors
from jointir.data.store import read_doc_ids, read_qrels, read_queries
from jointir.data.vectors import open_vectors

N, Q, D = 40, 30, 6
OUT = ("collection", "star/docs.npy", "star/queries.npy", "star/train.npy")


def unit(n: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def given(tmp_path):
    """Write docs.npy and queries.npy with ids beside; return their folder."""
    for name, n, seed in (("docs", N, 0), ("queries", Q, 1)):
        np.save(tmp_path / f"{name}.npy", unit(n, seed))
        ids = "".join(f"{name[0]}-{i}\n" for i in range(n))
        (tmp_path / f"{name}.ids.txt").write_text(ids)
    return tmp_path


def made(folder, docs="docs.npy", queries="queries.npy", **options):
    out = [folder / "out" / name for name in OUT]
    corpus_vectors(folder / docs, folder / queries, *out, **options)
    return out


def table(path, matrix, ids=None, column="vector", kind=None, **more):
    """Write a parquet file of vectors."""
    columns = {} if ids is None else {"id": ids}
    lists = pa.array(list(matrix), kind or pa.list_(pa.float32()))
    parquet.write_table(pa.table(columns | {column: lists} | more), path)


def test_without_judgements_the_nearest_ten_are_relevant_in_every_split(given):
    collection, *_ = made(given)
    docs, queries = np.load(given / "docs.npy"), np.load(given / "queries.npy")
    splits = read_queries(collection).set_index("query_id")["split"]
    assert splits.value_counts().to_dict() == {"train": 24, "dev": 3, "test": 3}
    for split in ("train", "dev", "test"):
        judged = read_qrels(collection / "qrels" / f"{split}.trec").groupby("query_id")["doc_id"]
        assert set(judged.groups) == set(splits.index[splits.eq(split)])
        for query_id, found in judged:
            order = np.argsort(-(docs @ queries[int(query_id[2:])]))[:10]
            assert set(found) == {f"d-{i}" for i in order}


def test_matrices_hold_the_vectors_in_the_collections_order(given):
    collection, out_docs, out_queries, out_train = made(given)
    assert read_doc_ids(collection).tolist() == [f"d-{i}" for i in range(N)]
    np.testing.assert_array_equal(np.load(out_docs), np.load(given / "docs.npy"))
    queries, asked = read_queries(collection), np.load(given / "queries.npy")
    train = queries["split"].eq("train")
    for rows, path in ((~train, out_queries), (train, out_train)):
        numbers = queries.loc[rows, "query_id"].str[2:].astype(int)
        np.testing.assert_array_equal(np.load(path), asked[numbers])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("kind", ["list", "large_list", "fixed"])
def test_parquet_gives_what_npy_gives(given, kind, dtype):
    value = {"float16": pa.float16(), "float32": pa.float32(), "float64": pa.float64()}[dtype]
    of = {"list": pa.list_(value), "large_list": pa.large_list(value), "fixed": pa.list_(value, D)}
    matrix = np.load(given / "docs.npy").astype(dtype)
    text = pa.array([f"said {i}" for i in range(N)])
    table(given / "docs.parquet", matrix, [f"d-{i}" for i in range(N)], kind=of[kind], text=text)
    found = open_vectors(given / "docs.parquet")
    rows = np.concatenate(list(found.chunks()))
    assert (found.N, found.D, found.ids[3], found.named) == (N, D, "d-3", True)
    assert rows.dtype == ("float16" if dtype == "float16" else "float32")
    np.testing.assert_array_equal(rows, matrix.astype(rows.dtype))


def test_without_ids_row_numbers_are(given, capfd):
    for name in ("docs", "queries"):
        (given / f"{name}.ids.txt").unlink()
    collection, *_ = made(given)
    assert read_doc_ids(collection).tolist() == list(map(str, range(N)))
    assert sorted(read_queries(collection)["query_id"], key=int) == list(map(str, range(Q)))
    told = capfd.readouterr().err
    assert "how much of exact search an index keeps" in told
    assert "drop_identical_ids" not in told, "equal row numbers say nothing"


def test_a_document_is_no_answer_to_itself_where_that_is_asked_for(given):
    collection, *_ = made(given, queries="docs.npy", drop_identical_ids=True)
    for split in ("train", "dev", "test"):
        judged = read_qrels(collection / "qrels" / f"{split}.trec")
        assert (judged["query_id"] != judged["doc_id"]).all()
        assert judged.groupby("query_id").size().eq(10).all()


@pytest.mark.parametrize("kind", ["tsv", "trec"])
def test_given_judgements_are_taken_and_the_other_queries_are_trained_on(given, kind):
    (given / "qrels").mkdir()
    for split, query in (("dev", "q-1"), ("test", "q-2")):
        lines = {"tsv": f"query-id\tcorpus-id\tscore\n{query}\td-5\t2\n"}
        lines["trec"] = f"{query} 0 d-5 2\n"
        (given / "qrels" / f"{split}.{kind}").write_text(lines[kind])
    collection, *_ = made(given, qrels=given / "qrels")
    dev = read_qrels(collection / "qrels/dev.trec")
    assert dev.to_dict("records") == [{"query_id": "q-1", "doc_id": "d-5", "relevance": 2}]
    splits = read_queries(collection).set_index("query_id")["split"]
    assert splits[splits.ne("train")].to_dict() == {"q-1": "dev", "q-2": "test"}
    assert len(splits) == Q


def test_dev_can_be_drawn_from_given_judgements_of_train(given):
    (given / "qrels").mkdir()
    text = "".join(f"q-{i} 0 d-{i} 1\n" for i in range(10))
    (given / "qrels/train.trec").write_text(text)
    (given / "qrels/test.trec").write_text("q-20 0 d-5 1\n")
    with pytest.raises(InputError, match=r"there is no dev split. .*dev: 0.1"):
        made(given, qrels=given / "qrels")
    collection, *_ = made(given, qrels=given / "qrels", dev="2")
    assert len(read_qrels(collection / "qrels/dev.trec")) == 2
    assert len(read_qrels(collection / "qrels/train.trec")) == 8
    assert read_queries(collection)["split"].value_counts()["train"] == Q - 3


def npy(name, change):
    def harm(folder):
        matrix = np.load(folder / name)
        np.save(folder / name, change(matrix))

    return harm


def put(row, value):
    def change(matrix):
        matrix[row] = value
        return matrix

    return npy("docs.npy", change)


def lines(name, change):
    def harm(folder):
        path = folder / name
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))

    return harm


def qrels(text, name="test.trec"):
    def harm(folder):
        (folder / "qrels").mkdir(exist_ok=True)
        (folder / "qrels" / name).write_text(text)

    return harm


REFUSED = {
    "nan": (put(7, np.nan), r"docs.npy: row 7 holds a number of size nan. Ask"),
    "infinite": (put(7, np.inf), r"docs.npy: row 7 holds a number of size inf. Ask"),
    "large": (put(7, 1e20), r"docs.npy: row 7 holds a number of size 1e\+20. Ask"),
    "same": (npy("docs.npy", lambda m: m * 0 + 1), r"docs.npy: all 40 rows are the same"),
    "zero query": (npy("queries.npy", lambda m: m * 0), r"queries.npy: row 0 is all zeros"),
    "dimension": (
        npy("queries.npy", lambda m: m[:, :4]),
        r"queries.npy: has 4 dimensions, .*docs.npy 6. Take both",
    ),
    "one-dimensional": (npy("docs.npy", lambda m: m[0]), r"docs.npy: has the shape \(6,\). Give"),
    "empty": (npy("docs.npy", lambda m: m[:0]), r"docs.npy: has the shape \(0, 6\). Give"),
    "integers": (npy("docs.npy", lambda m: m.astype("int8")), r"docs.npy: holds numbers of type i"),
    "fewer ids": (
        lines("docs.ids.txt", lambda t: t[:-1]),
        r"docs.ids.txt: holds 39 ids, docs.npy 40 vectors. Give",
    ),
    "twice": (
        lines("docs.ids.txt", lambda t: [*t[:9], t[3], *t[10:]]),
        r"docs.ids.txt:10: the id 'd-3' was given before \(.*docs.ids.txt:4\). Make",
    ),
    "blank": (
        lines("docs.ids.txt", lambda t: [*t[:4], "\n", *t[4:]]),
        r"docs.ids.txt:5: the line is blank. Write",
    ),
    "space": (
        lines("docs.ids.txt", lambda t: [*t[:4], "a b\n", *t[5:]]),
        r"docs.ids.txt:5: the id 'a b' is empty or holds white space",
    ),
    "few queries": (
        lambda folder: [
            npy("queries.npy", lambda m: m[:2])(folder),
            lines("queries.ids.txt", lambda t: t[:2])(folder),
        ],
        r"queries.npy: holds 2 queries, too few for 1 of dev and 1 of test. Give more",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_file_value_and_remedy(given, case):
    harm, words = REFUSED[case]
    harm(given)
    with pytest.raises(InputError, match=words) as refused:
        made(given)
    assert "\n" not in str(refused.value)
    assert not (given / "out/collection").exists()


def test_objects_are_never_loaded(given):
    np.save(given / "docs.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"docs.npy: NumPy cannot read it .*objects"):
        made(given)


WRONG_TABLES = {
    "lengths": ({}, [[1.0] * D, [1.0] * (D - 1)], r"row 1 has 5 dimensions, row 0 6"),
    "null": ({}, [[1.0] * D, None], r"row 1 has no vector"),
    "null number": (
        {},
        [[1.0] * D, [1.0, None, 1.0, 1.0, 1.0, 1.0]],
        r"row 1 holds a number of size nan",
    ),
    "no rows": ({}, [], r"'vector' holds no vector in row 0"),
    "two": (
        {"other": pa.array([[1.0], [1.0]])},
        [[1.0], [2.0]],
        r"has 2 columns of lists of float",
    ),
    "two ids": (
        {"title": pa.array(["a", "b"]), "url": pa.array(["c", "d"])},
        [[1.0], [2.0]],
        r"has 2 columns that may be ids: title, url. Name one",
    ),
    "id twice": ({"id": pa.array(["a", "a"])}, [[1.0], [2.0]], r"row 1: the id 'a' was given"),
    "id missing": ({"id": pa.array(["a", None])}, [[1.0], [2.0]], r"'id' has no value in row 1"),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_a_wrong_parquet_file_is_refused(tmp_path, case):
    columns, vectors, words = WRONG_TABLES[case]
    path = tmp_path / "docs.parquet"
    table(path, vectors, **columns)
    with pytest.raises(InputError, match=re.escape(str(path)) + ".*" + words):
        list(open_vectors(path).chunks())


def test_a_damaged_parquet_file_and_another_kind_are_refused(tmp_path):
    (tmp_path / "docs.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match=r"docs.parquet: pyarrow cannot read it"):
        open_vectors(tmp_path / "docs.parquet")
    with pytest.raises(InputError, match=r"docs.csv: ends in '.csv'. Give a .npy or a .parquet"):
        open_vectors(tmp_path / "docs.csv")


def test_judgements_that_do_not_fit_are_refused(given):
    qrels("q-1 0 d-1 1\n", "dev.trec")(given)
    qrels("q-2 0 nowhere 1\n")(given)
    with pytest.raises(InputError, match="split 'test' has no relevant document that is in the"):
        made(given, qrels=given / "qrels")
    qrels("query-id\tcorpus-id\tscore\nq-2\td-1\t1\n", "test.tsv")(given)
    with pytest.raises(InputError, match=r"qrels: holds test.tsv and dev.trec. Keep"):
        made(given, qrels=given / "qrels")
    with pytest.raises(InputError, match=r"splits.test: 0.2, and .*qrels has a test split"):
        made(given, qrels=given / "qrels", test="0.2")


def test_the_split_of_a_query_does_not_depend_on_the_others_order(given):
    collection, *_ = made(given)
    first = read_queries(collection).set_index("query_id")["split"]
    order = np.random.default_rng(2).permutation(Q)
    ids = pd.Series((given / "queries.ids.txt").read_text().split())[order]
    np.save(given / "queries.npy", np.load(given / "queries.npy")[order])
    (given / "queries.ids.txt").write_text("\n".join(ids) + "\n")
    collection, *_ = made(given)
    assert read_queries(collection).set_index("query_id")["split"].to_dict() == first.to_dict()
