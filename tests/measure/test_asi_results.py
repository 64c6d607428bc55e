"""The tables of generative retrieval beside others, from values that are known."""

import numpy as np
import pandas as pd
import pytest

from generated import NAMES, baselines, trainings
from jointir.basics.errors import InputError
from jointir.basics.files import read_json, write_json
from jointir.measure.asi_results import NUMBERS, asi_results
from jointir.measure.comparisons import read_comparisons
from jointir.measure.families import ASI
from jointir.measure.identifiers import id_statistics
from jointir.measure.results import COLUMNS, read_results

ALIGNED = ("ids", "meta", "per_query", "vocabulary")
KEY = ["dataset", "split", "system", "setting", "seed", "measure"]


def test_statistics_of_the_id_space():
    ids = np.array([[0, 1], [0, 1], [1, 1], [2, 3]])
    found = id_statistics(ids, V=4)
    assert found["unique ids"] == 3 and found["documents an id, max"] == 2
    assert found["documents an id, mean"] == pytest.approx(4 / 3)
    assert found["alone"] == 0.5
    assert found["empty share"] == 1 - 3 / 16
    assert found["entropy 1"] == pytest.approx(1.5)  # 1/2, 1/4, 1/4
    assert found["perplexity 1"] == pytest.approx(2**1.5)


@pytest.fixture
def files(tmp_path):
    """What `asi_results` takes and writes, by its parameters' names."""
    out = {name: tmp_path / f"{name}.csv" for name in ("out", "out_comparisons", "out_numbers")}
    return trainings(tmp_path) | baselines(tmp_path) | out


@pytest.fixture
def tables(files):
    """The three tables: effectiveness, comparisons, numbers."""
    asi_results(**files)
    names = ("out", "out_comparisons", "out_numbers")
    return [pd.read_csv(files[name], keep_default_na=False) for name in names]


def test_results_hold_every_number_once_and_are_read_as_any_systems(files, tables):
    rows, _, numbers = tables
    assert list(rows.columns) == COLUMNS and list(numbers.columns) == NUMBERS
    assert not rows.duplicated(KEY).any() and not numbers.duplicated(KEY).any()
    read = read_results([files["out"]]).set_index(KEY)
    assert len(read) == len(rows)
    assert read.index.get_level_values("measure").unique().tolist() == NAMES
    one = read.loc[("d", "test", "asi++", "free", 2, "R@10")]
    assert one[["value", "low", "high"]].tolist() == pytest.approx([0.22] * 3)
    other = read.loc[("d", "test", "asi++", "free, correct id", 2, "MRR@10")]
    assert other["value"] == pytest.approx(0.32)
    assert set(read.loc["d", "test", "brute-force"].index.get_level_values("setting")) == {""}


def test_bytes_a_document_are_of_identifiers_and_of_the_embeddings_of_hybrid(tables):
    rows = tables[0].set_index(KEY)["bytes_per_doc"]
    assert rows.loc[("d", "test", "asi++", "free", 2, "R@1")] == 40_000 / 2
    assert rows.loc[("d", "test", "asi++", "hybrid", 2, "R@1")] == 1_040_000 / 2
    assert rows.loc[("d", "test", "brute-force", "", 0, "R@1")] == 1536


def test_numbers_tell_the_bytes_apart(tables):
    value = tables[2].set_index(KEY)["value"]
    parts = ["model bytes", "identifiers bytes", "embeddings bytes", "beam", "ms a query"]
    of_hybrid = [value.loc[("d", "", "asi++", "hybrid", 2, part)] for part in parts]
    assert of_hybrid == [5_000_000, 40_000, 1_000_000, 50, 9]
    assert value.loc[("d", "", "brute-force", "", 0, "index bytes")] == 3_072_000
    assert value.loc[("d", "", "brute-force", "", 0, "model bytes")] == 4_500_000
    assert value.loc[("d", "", "bm25", "k1=1.2", 0, "index bytes")] == 3_072_000
    assert not ((tables[2]["system"] == "bm25") & (tables[2]["measure"] == "model bytes")).any()
    assert value.loc[("d", "", "asi++", "", 2, "parameters")] == 1_234_567
    assert value.loc[("d", "test", "asi++", "free", 2, "documents a query")] == 12
    assert value.loc[("d", "test", "asi++", "hybrid", 2, "R@100")] == 0.9
    effectiveness = {"R@1 expectation", "RR@10 correct id", "R@10 documents", "R@10", "MRR@10"}
    assert not set(tables[2]["measure"]) & effectiveness


def test_systems_are_compared_with_asi_plus_decoded_alike_over_the_mean_of_their_seeds(
    files, tables
):
    lines = read_comparisons(files["out_comparisons"], ASI)
    assert set(lines["system"]) == {"asi", "asi++-pq"}  # nothing is decoded as the baselines are
    assert (lines["setting"] == lines["reference_setting"]).all()
    assert set(lines["setting"]) == {"free", "free, correct id", "hybrid"}
    own = lines[lines["system"].eq("asi") & lines["setting"].eq("free")]
    assert own["difference"].tolist() == pytest.approx([-0.1] * len(NAMES))
    assert set(own["seeds"]) == {"1 2"} and set(own["reference_seeds"]) == {"1 2"}


def test_a_vocabulary_of_0_is_as_many_tokens_as_there_are(files):
    asi_results(**files | {"vocabulary": [0] * 6})
    numbers = pd.read_csv(files["out_numbers"], keep_default_na=False).set_index(KEY)["value"]
    # asi has one identifier of 2 x 2, its tokens being 0 and 1
    assert numbers.loc[("d", "", "asi", "", 1, "empty share")] == 1 - 1 / 4


def test_wrong_files_are_refused(files, tmp_path):
    for changed, words in (
        ({"meta": files["meta"][:1]}, "6 ids, 1 meta and 6 per-query files and 6 vocabularies"),
        ({"encoder": ["brute-force"]}, "--encoder: 'brute-force'. Write system=folder"),
        ({"encoder": [f"brute-force={tmp_path / 'bm25'}"]}, "holds no weights"),
        ({"baseline_meta": files["baseline_meta"][:1]}, "per-query files but 1 meta files"),
        (
            {n: files[n][:2] + files[n][1:2] for n in ALIGNED},
            "asi free, correct id seed 2 was already given",
        ),
    ):
        with pytest.raises(InputError, match=words):
            asi_results(**files | changed)
    facts = read_json(files["meta"][0])
    write_json(files["meta"][0], facts | {"parameters": "many"})
    with pytest.raises(InputError, match="'parameters' is 'many'"):
        asi_results(**files)
    assert not files["out"].exists() and not files["out_numbers"].exists()


def test_what_a_ranker_tells_beside_its_bytes_is_among_the_numbers(files):
    meta = files["baseline_meta"][0]
    about = read_json(meta)
    write_json(meta, about | {"numbers": {"beam": 15, "ms a query": 2.5}})
    asi_results(**files)
    numbers = pd.read_csv(files["out_numbers"], keep_default_na=False).set_index(KEY)["value"]
    own = [numbers.loc[("d", "", "bm25", "k1=1.2", 0, name)] for name in ("beam", "ms a query")]
    assert own == [15, 2.5]
