"""What rules ask, by hand: where an index is, what a training is told, which table holds a run."""

import sys
from types import SimpleNamespace

import pytest

from conftest import ROOT, all_params, merge

sys.path.insert(0, str(ROOT))
from workflow.plan import datasets, figures, given, searched, settings, tables, trained, trainings


def begin(overlay: dict) -> None:
    """Have the default params with an overlay, as the Snakefile does."""
    workflow = SimpleNamespace(basedir=str(ROOT), cores=4, is_main_process=True)
    given.begin(workflow, {}, merge(all_params(ROOT), overlay))


@pytest.fixture(autouse=True)
def default(monkeypatch):
    monkeypatch.chdir(ROOT)
    begin({})


def asked(system: str, setting: str, dataset: str = "apidocs") -> SimpleNamespace:
    return SimpleNamespace(dataset=dataset, system=system, setting=setting)


@pytest.mark.parametrize(
    ("system", "setting", "index", "queries"),
    [
        ("brute-force", "flat", "star/flat.faiss", "star"),
        ("adore", "flat", "star/flat.faiss", "adore"),  # the documents stay STAR's
        ("ance", "flat", "ance/flat.faiss", "ance"),
        ("opq", "M48", "systems/opq/M48/index.faiss", "star"),
        ("jpq", "M48", "systems/jpq/M48/index.faiss", "systems/jpq/M48"),
        ("jpq", "M48-seed2", "systems/jpq/M48-seed2/index.faiss", "systems/jpq/M48-seed2"),
        ("ivf-jpq", "M48-nprobe8", "systems/ivf-jpq/M48/index.faiss", "systems/jpq/M48"),
        ("hnsw", "efSearch64", "systems/hnsw/index", "star"),
        ("scann", "M16", "systems/scann/M16/index", "star"),
    ],
)
def test_where_an_index_and_its_queries_are(system, setting, index, queries):
    found = searched.index_of(asked(system, setting))
    assert found == (f"data/apidocs/{index}", f"data/apidocs/{queries}/queries.npy")


@pytest.mark.parametrize(
    ("system", "setting", "shown", "value"),
    [
        ("brute-force", "flat", "", 0),
        ("jpq", "M48-seed2", "M=48", 0),
        ("jpq-4bit", "M96", "M=96 K=16", 0),
        ("lsh", "M48", "bits=384", 0),
        ("hnsw", "efSearch64", "efSearch=64", 64),
        ("ivf-jpq", "M48-nprobe8", "M=48 nprobe=8", 8),
    ],
)
def test_what_a_setting_is_called_and_searched_with(system, setting, shown, value):
    w = asked(system, setting)
    assert (searched.shown_setting(w), searched.value(w)) == (shown, value)


def test_what_tune_changes_of_a_training_is_what_it_does_not_say_itself():
    assert trained.own_settings("jpq") == []
    paper = ["distillation", "exact", "mined_from", "ranking", "scale", "train_words"]
    assert trained.own_settings("jpq-paper") == paper
    assert trained.untuned("dpq") and not trained.untuned("jpq-4bit")
    assert trained.tuned(asked("jpq-4bit", "M96")) == ["data/apidocs/tune/jpq.json"]
    begin({"tune": {"run": False}})
    assert trained.tuned(asked("jpq-4bit", "M96")) == []


def test_another_workflow_in_the_same_process_is_not_answered_of_the_first():
    assert settings.widths("opq")[0] == 16 and "M16" in figures.FIGURE4["opq"]
    begin({"sweep": {"M": [8]}, "figure4": {"systems": ["opq"]}})
    assert settings.widths("opq") == [8]
    assert dict(figures.FIGURE4) == {"opq": ["M8"], "brute-force": ["flat"]}
    assert figures.each_system("{dataset}/{system}/{setting}") == [
        "apidocs/opq/M8",
        "apidocs/brute-force/flat",
    ]


def test_what_a_ranker_is_told_and_reads():
    at = {name: asked(name, "flat") for name in ("bm25", "bm25-expanded", "colbert", "seal")}
    assert searched.ranker_options(at["bm25"]).startswith("--b 0.25 --b 0.5 --b 0.75 --b 0.9 --k1")
    own = "--alpha 2 --beam 15 --beta 0.8 --length 5 --rescored 50 --unigrams 100"
    assert searched.ranker_options(at["seal"]) == own  # of `search`, and the training's length
    assert searched.ranker_options(at["colbert"]) == ""
    read = {
        name: {part: searched.ranked_from(w, part) for part in ("model", "docs", "generated")}
        for name, w in at.items()
    }
    nothing = {"model": [], "docs": [], "generated": []}
    assert read["bm25"] == nothing
    assert read["bm25-expanded"] == nothing | {"generated": ["data/apidocs/expand/queries.parquet"]}
    assert read["colbert"] == nothing | {"model": ["data/apidocs/colbert/model"]}
    docs = {"model": ["data/apidocs/seal/model"], "docs": ["data/apidocs/star/docs.npy"]}
    assert read["seal"] == nothing | docs
    assert {*searched.rescored_runs("seal")} == {"out_hybrid", "meta_hybrid"}
    assert searched.rescored_runs("bm25") == {}


def test_the_code_of_a_ranker_is_its_own_and_a_module_that_is_none_is_refused(monkeypatch):
    code = searched.code_of_ranker("bm25")
    assert "src/jointir/search/bm25.py" in code and "src/jointir/search/splade.py" not in code
    assert "src/jointir/retrievers/late_search.py" not in code
    wrong = {"words": SimpleNamespace(ranker="search.wrods:Words")}
    monkeypatch.setattr(searched.known, "facts", lambda: wrong)
    line = "words.py: `ranker` of its `FACTS` names 'search.wrods', and there is no src/jointir/sea"
    with pytest.raises(SystemExit, match=line):
        searched.code_of_ranker("words")


def test_a_trained_system_is_shown_with_what_it_starts_from():
    assert figures.with_starts(["jpq", "dpq", "pq"]) == ["jpq", "dpq", "pq", "opq"]
    assert figures.built_with("jpq-4bit", "M96") == ["M=96", "bits=4", "sample=10000"]
    assert figures.trained_from()["jpq"] == "opq"


def test_a_run_stands_in_the_table_of_the_first_figure_that_shows_it():
    held = tables.runs_of("figure7")
    assert held["jpq", "M16"] == "results" and held["jpq", "M16-seed2"] == "results-ablation"
    assert "M48-seed2" not in figures.ABLATION["jpq"]  # one seed above M = 32
    assert tables.of_figure("figure4") == ["reports/tables/results.csv"]


def test_a_variant_with_given_identifiers_has_its_starts_documents():
    w = SimpleNamespace(dataset="apidocs-10k", variant="random-ids", seed="1")
    assert trainings.own_docs(w) == "data/{dataset}/star/docs.npy"
    w.variant = "asi++"
    assert trainings.own_docs(w) == f"{trainings.TRAINED}/docs.npy"
    given = {v: trainings.given_by(v) for v in trainings.VARIANTS}
    assert [v for v, stage in given.items() if stage in ("genret", "novo")] == ["genret", "novo"]
    assert (given["asi++"], given["random-ids"], given["dsi-atomic"]) == ("", *["fixed-ids"] * 2)
    w.variant = "random-ids-expanded"
    assert trainings.learned_from(w) == [] and trainings.expansion(w.variant)


def test_what_tables_of_comparisons_are_told_and_what_they_wait_for():
    speed, first = SimpleNamespace(table="comparisons-speed"), SimpleNamespace(table="comparisons")
    assert tables.compared_options(speed) == "--family table1 --M 48"
    assert tables.compared_options(first) == "--family figure4"
    assert tables.of_speed(first) == {}
    assert tables.of_speed(speed)["latency"] == ["reports/tables/latency.csv"]
    assert tables.of_speed(speed)["made"][-1] == "data/latency.made"
    begin({"table1": {"M": 40}})
    assert tables.compared_checks(first) == []
    with pytest.raises(SystemExit, match="40 is not in"):
        tables.compared_checks(speed)


def test_a_table_of_results_waits_for_the_check_of_its_figure():
    waits = tables.checks(SimpleNamespace(table="results-ablation"))
    assert waits == ["data/apidocs/fits/figure7.json"]


def test_how_dev_is_measured():
    of_jpq = datasets.validation(asked("jpq", "M48"))
    every = "--dev-queries 1000 --patience 0 --validate-every 75"
    assert of_jpq == f"{every} --dev-measures RR@10 --dev-measures R@100 --dev-measures nDCG@10"
    more = "--dev-documents 2000 --dev-queries 1000 --patience 0 --validate-every 75"
    assert datasets.validated_by("queries", "documents") == more
