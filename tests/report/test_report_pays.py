"""Whether JPQ pays: the verdict on a size, and what a line says of a dataset."""

import pandas as pd
import pytest

from jointir.basics.errors import InputError
from jointir.measure.groups import COLUMNS
from jointir.measure.pays import Verdict, verdict, verdicts
from jointir.report.pays import MEANING, joined, pays, sizes_text

MEASURES = ["nDCG@10", "R@100"]  # the main one first, and not by name
BETTER, SAME, LESS = (0.1, 0.01), (0.1, 0.05), (-0.1, 0.049)  # difference, p
PAID, EVEN = [BETTER, SAME], [SAME, BETTER]
LOST, LOST_MAIN = [BETTER, LESS], [LESS, SAME]


def row(dataset, split, group, system, size, measure, changed, seed=1):
    grouping = "all" if group == "all" else "train query"
    against = {"jpq": "opq", "jpq-4bit": "opq-4bit", "dpq": "opq"}.get(system, "")
    about = [dataset, split, grouping, group, 9, system, f"M={size}", seed, size, measure]
    return dict(zip(COLUMNS, [*about, 0.5, 0.4, 0.6, against, *changed], strict=True))


def rows(cases, dataset="toy"):
    """Return rows of {(split, group): {(system, size): the changes in MEASURES}}."""
    found = []
    for (split, group), own in cases.items():
        for i, measure in enumerate(MEASURES):
            found += [
                row(dataset, split, group, system, size, measure, changed[i])
                for (system, size), changed in own.items()
            ]
            sizes = {size for _, size in own}
            found += [row(dataset, split, group, "opq", s, measure, (None, None)) for s in sizes]
    return pd.DataFrame(found)


def jpq(*changes):
    return {
        ("jpq", size): changed for size, changed in zip((16, 24, 32, 48), changes, strict=False)
    }


def told(tmp_path, *tables):
    pd.concat(tables).to_csv(tmp_path / "groups.csv", index=False)
    pays(tmp_path / "groups.csv", tmp_path / "pays.md", ["jpq", "jpq-4bit"])
    *lines, empty, meaning = (tmp_path / "pays.md").read_text().splitlines()
    assert (empty, meaning) == ("", MEANING)
    return lines


@pytest.mark.parametrize(
    ("changed", "word", "worse"),
    [
        (PAID, "pays", ()),
        (EVEN, "level", ()),  # p = .05, and only in a measure that is not the main one
        (LOST, "worse", ("R@100",)),  # though better in the main measure
        (LOST_MAIN, "worse", ("nDCG@10",)),
        ([LESS, LESS], "worse", ("nDCG@10", "R@100")),
        ([(-0.1, 0.05), (-0.1, 0.5)], "level", ()),
        ([(0.0, 1.0), (0.0, 1.0)], "level", ()),  # training kept its first step
    ],
)
def test_the_verdict_on_a_size(changed, word, worse):
    own = [
        row("toy", "dev", "all", "jpq", 16, m, c) for m, c in zip(MEASURES, changed, strict=True)
    ]
    assert verdict(pd.DataFrame(own), "nDCG@10") == Verdict(word, worse)


def test_every_seed_has_to_pay():
    seeds = {1: BETTER, 2: SAME}
    own = [row("toy", "dev", "all", "jpq", 16, "nDCG@10", c, seed) for seed, c in seeds.items()]
    assert verdict(pd.DataFrame(own), "nDCG@10").word == "level"
    own[1] |= {"p_holm": 0.04}
    assert verdict(pd.DataFrame(own), "nDCG@10").word == "pays"
    own[1] |= {"difference": -0.1}
    assert verdict(pd.DataFrame(own), "nDCG@10") == Verdict("worse", ("nDCG@10",))


def test_verdicts_are_of_one_system_and_of_what_was_compared():
    table = rows({("test", "all"): {("jpq", 96): PAID, ("jpq", 16): LOST, ("dpq", 16): PAID}})
    alone = row("toy", "test", "all", "jpq", 24, "nDCG@10", BETTER) | {"against": ""}
    table = pd.concat([table, pd.DataFrame([alone])])
    assert verdicts(table, "jpq") == {16: Verdict("worse", ("R@100",)), 96: Verdict("pays", ())}
    assert list(verdicts(table, "jpq")) == [16, 96]
    assert verdicts(table, "jpq-4bit") == verdicts(table[:0], "jpq") == {}


def test_words_in_a_row():
    assert [joined(list(w)) for w in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ([16], "16 bytes"),
        ([16, 24], "16 and 24 bytes"),
        ([16, 24, 32], "16 to 32 bytes"),
        ([16, 24, 32, 64], "16 to 32 and 64 bytes"),
        ([16, 32, 48, 64, 96], "16 and 32 to 96 bytes"),
        ([16, 24, 48, 96], "16, 24, 48 and 96 bytes"),
    ],
)
def test_three_sizes_in_a_row_are_a_span(sizes, text):
    assert sizes_text(sizes, [16, 24, 32, 48, 64, 96]) == text


def test_one_byte():
    assert sizes_text([1], [1, 2]) == "1 byte"


def test_it_pays_everywhere(tmp_path):
    every = jpq(PAID, PAID, PAID, PAID)
    splits = {("dev", "all"): every, ("test", "all"): every}
    words = "- toy: JPQ pays at every size (16 to 48 bytes) on dev and test"
    assert told(tmp_path, rows(splits)) == [f"{words}."]
    groups = {("dev", "with"): every, ("dev", "without"): every}
    assert told(tmp_path, rows(splits | groups)) == [f"{words}, in each group of queries too."]


def test_what_does_not_pay_comes_first_and_is_told_by_size_and_measure(tmp_path):
    cases = {
        ("dev", "all"): jpq(PAID, PAID, PAID, PAID),
        ("test", "all"): jpq(PAID, PAID, EVEN, LOST),
        ("test", "with"): jpq(PAID, PAID, PAID, PAID),
        ("test", "without"): jpq(EVEN, EVEN, LOST_MAIN, LOST),
    }
    assert told(tmp_path, rows(cases)) == [
        "- toy: JPQ pays on test only at 16 and 24 bytes: level with OPQ at 32 bytes, significantly"
        " worse than OPQ at 48 bytes (R@100); does not pay on test (without a train query): level"
        " with OPQ at 16 and 24 bytes, significantly worse than OPQ at 32 and 48 bytes (nDCG@10,"
        " R@100); pays at every size (16 to 48 bytes) on dev and test (with a train query)."
    ]


def test_level_everywhere(tmp_path):
    every = jpq(EVEN, EVEN, EVEN, EVEN)
    assert told(tmp_path, rows({("dev", "all"): every, ("test", "all"): every})) == [
        "- toy: JPQ does not pay on dev and test: level with OPQ at every size (16 to 48 bytes)."
    ]


def test_one_group_alone_is_all_queries(tmp_path):
    """All test queries are without a train query: that group has the numbers of all queries."""
    cases = {("test", "all"): jpq(PAID, PAID, PAID, PAID)}
    only = cases | {("test", "without"): jpq(EVEN, EVEN, EVEN, EVEN)}
    assert told(tmp_path, rows(only)) == told(tmp_path, rows(cases))


def test_each_dataset_and_each_kind_of_code_has_its_line(tmp_path):
    both = {("jpq", 16): PAID, ("jpq-4bit", 16): EVEN, ("dpq", 16): PAID}
    tables = [
        rows({("test", "all"): both}, "a"),
        rows({("test", "all"): {("jpq-4bit", 16): PAID}}, "b"),
        rows({("test", "all"): {("dpq", 16): PAID}}, "c"),
    ]
    assert told(tmp_path, *tables) == [
        "- a: JPQ pays at 16 bytes on test.",
        "- a: JPQ 4-bit does not pay on test: level with OPQ 4-bit at 16 bytes.",
        "- b: JPQ 4-bit pays at 16 bytes on test.",
        "- c: no JPQ was measured beside the OPQ that it starts from.",
    ]


def test_queries_that_nothing_can_answer_are_told(tmp_path):
    cases = {(split, "all"): {("jpq", 16): PAID} for split in ("dev", "test")}
    table = rows(cases | {("test", "none"): {("jpq", 16): EVEN}})
    table.loc[table["group"].eq("none"), "n_queries"] = 4
    assert told(tmp_path, table) == [
        "- toy: JPQ pays at 16 bytes on dev and test.",
        "- toy: 4 of 9 test queries have no relevant document in the corpus: each scores 0 in every"
        " mean.",
    ]


def test_a_damaged_table_is_refused(tmp_path):
    (tmp_path / "groups.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"groups.csv: has no column 'dataset'"):
        pays(tmp_path / "groups.csv", tmp_path / "pays.md", ["jpq"])
    assert not (tmp_path / "pays.md").exists()
