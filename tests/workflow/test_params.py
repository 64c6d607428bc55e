"""The schema of params/: what it refuses, and with which words."""

import shlex
import sys

import pytest
import yaml

from conftest import ROOT, all_params, merge, run

sys.path.insert(0, str(ROOT))
from workflow.scripts.params import prepare
from workflow.scripts.schema import load

SCHEMA = ROOT / "workflow" / "schemas" / "params.schema.yaml"
SPLITS = {"train": "a", "dev": "a", "test": "a"}
IR = {"kind": "ir_datasets", "corpus_id": "a", "splits": SPLITS}
BEIR = {"kind": "beir", "folder": "x"}


def of(system: str, **settings: object) -> dict:
    """Return an overlay of one system."""
    return {"systems": {system: settings}}


@pytest.fixture(autouse=True)
def inside(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def params() -> dict:
    return all_params(ROOT)


def test_the_default_is_valid(params):
    prepare(params, SCHEMA)


@pytest.mark.parametrize("preset", sorted((ROOT / "params/presets").glob("*.yaml")), ids=str)
def test_every_preset_is_valid(params, preset):
    merged = merge(params, yaml.safe_load(preset.read_text()))
    prepare(merged, SCHEMA)
    assert set(merged["figure4"]["datasets"]) <= set(merged["datasets"])


@pytest.mark.parametrize(
    "dataset",
    [
        BEIR | {"splits": {"dev": 0.1}},
        BEIR | {"splits": {"dev": 500, "seed": 7}, "drop_identical_ids": True},
        IR | {"splits": SPLITS | {"dev": 0.1}},
        IR | {"splits": SPLITS | {"dev": 500, "seed": 7}, "drop_identical_ids": False},
    ],
    ids=str,
)
def test_dev_may_be_a_part_of_train(params, dataset, tmp_path):
    for name in ("corpus.jsonl", "queries.jsonl"):
        (tmp_path / name).touch()
    here = {"folder": str(tmp_path)} if "folder" in dataset else {}
    mine = {"datasets": {"mine": dataset | here}, "figure4": {"datasets": ["mine"]}}
    prepare(merge(params, mine), SCHEMA)


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ({"jqp": {}}, ["'jqp' was unexpected"]),
        (of("jpq", learning_rate=1), ["'learning_rate' was unexpected", "jpq"]),
        (of("jpq", steps="many"), ["'many' is not of type 'integer'", "steps"]),
        (of("jpq", steps=0), ["0 is less than the minimum of 1", "steps"]),
        (of("star", lr=0), ["0 is less than or equal to the minimum of 0", "lr"]),
        (of("jpq", lr=-1), ["-1 is less than the minimum of 0", "lr"]),
        (of("jpq", lr=2), ["2 is greater than the maximum of 1", "lr"]),
        ({"encoder": {"query_prompt": 1}}, ["1 is not of type 'string', 'null'", "query_prompt"]),
        ({"encoder": {"document_prompt": "null"}}, ["'null' should not be valid", "document_pr"]),
        (of("star", seed=-1), ["-1 is less than the minimum of 0", "seed"]),
        (
            of("star", seed=2**31),
            ["2147483648 is greater than the maximum of 2147483647", "seed"],
        ),
        (
            {"datasets": {"mine": BEIR | {"splits": {"dev": 2, "seed": 2**31}}}},
            ["2147483648 is greater than the maximum of 2147483647", "seed", "mine"],
        ),
        (of("asi++", seeds=[1, 2**31]), ["2147483648 is greater than the maximum", "seeds"]),
        (of("asi++", beam=9), ["9 is less than the minimum of 10", "beam"]),
        (of("asi++", hybrid_beam=9), ["9 is less than the minimum of 10", "hybrid_beam"]),
        (
            of("asi++", train_decoder={"queries": -1}),
            ["-1 is less than the minimum of 0", "train_decoder.queries"],
        ),
        (
            of("nci", train_decoder={"moved": 1.5}),
            ["1.5 is greater than the maximum of 1", "systems.nci.train_decoder.moved"],
        ),
        (
            of("dsi-atomic", train_decoder={"vectors": "zeros"}),
            ["'zeros' is not one of", "systems.dsi-atomic.train_decoder.vectors"],
        ),
        (
            of("ultron-pq", train_decoder={"general": 1.1}),
            ["1.1 is greater than the maximum of 1", "systems.ultron-pq.train_decoder.general"],
        ),
        (
            of("ultron-pq", train_decoder={"search": -0.1}),
            ["-0.1 is less than the minimum of 0", "systems.ultron-pq.train_decoder.search"],
        ),
        (
            of("nci", train_decoder={"dropout": 1}),
            ["1 is greater than or equal to the maximum of 1", "systems.nci.train_decoder.drop"],
        ),
        (
            of("nci", train_decoder={"consistency": -1}),
            ["-1 is less than the minimum of 0", "systems.nci.train_decoder.consistency"],
        ),
        (of("nci", given="url"), ["'url' is not one of ['random', ", "systems.nci.given"]),
        (of("nci", clusters=1), ["1 is less than the minimum of 2", "systems.nci.clusters"]),
        (of("nci", indexer="no"), ["'no' is not one of ['mlp', ", "systems.nci.indexer"]),
        (of("nci", decoder="gpt"), ["'gpt' is not one of ['prefix', ", "systems.nci.decoder"]),
        (of("star", batch=1), ["1 is less than the minimum of 2", "batch"]),
        ({"embed": {"dtype": "int8"}}, ["'int8' is not one of ['float16', 'float32']", "dtype"]),
        ({"sweep": {"M": []}}, ["[]", "M"]),
        ({"sweep": {"M": [16, 16]}}, ["[16, 16] has non-unique elements", "M"]),
        ({"sweep": {"M": [16.5]}}, ["16.5 is not of type 'integer'", "M"]),
        ({"retrieve": {"k": 0}}, ["0 is less than the minimum of 1", "k"]),
        ({"results": {"samples": 10}}, ["10 is less than the minimum of 100", "samples"]),
        ({"figure4": {"datasets": "apidocs"}}, ["'apidocs' is not of type 'array'", "datasets"]),
        ({"datasets": {"mine": {"kind": "csv"}}}, ["'csv' is not one of", "kind", "mine"]),
        ({"datasets": {"mine": {"kind": "beir"}}}, ["'folder' is a required property", "mine"]),
        ({"datasets": {"mine": IR | {"folder": "x"}}}, ["'folder' was unexpected", "mine"]),
        ({"datasets": {"mine": BEIR | {"splits": {"dev": 1.5}}}}, ["1.5", "dev", "mine"]),
        ({"datasets": {"mine": BEIR | {"splits": {"dev": 0}}}}, ["0 is less than or", "dev"]),
        ({"datasets": {"mine": BEIR | {"splits": {"seed": 1}}}}, ["'dev' is a required property"]),
        ({"datasets": {"mine": IR | {"splits": SPLITS | {"dev": -1}}}}, ["-1", "dev", "mine"]),
        ({"datasets": {"mine": IR | {"splits": SPLITS | {"test": 0.1}}}}, ["0.1 is not", "test"]),
        ({"datasets": {"apidocs": {"drop_identical_ids": 1}}}, ["1 is not of type 'boolean'"]),
        ({"datasets": {"My Docs": IR}}, ["'My Docs' does not match"]),
        ({"datasets": {"apidocs": {"sha256": "abc"}}}, ["'abc' does not match", "sha256"]),
        ({"datasets": {"apidocs": {"groups": 2019}}}, ["2019 is not of type 'string'", "groups"]),
        ({"datasets": {"medquad": {"groups": "a"}}}, ["'groups' was unexpected", "medquad"]),
    ],
    ids=str,
)
def test_bad_params_are_refused_by_name(params, overlay, words):
    with pytest.raises(SystemExit) as caught:
        prepare(merge(params, overlay), SCHEMA)
    text = str(caught.value)
    assert [word for word in words if word not in text] == []


def test_every_key_is_required(params):
    for key in params:
        with pytest.raises(SystemExit, match=f"'{key}' is a required property"):
            prepare({k: v for k, v in params.items() if k != key}, SCHEMA)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"groups": "nowhere.csv"}, "datasets.apidocs.groups: there is no file 'nowhere.csv'"),
        ({"groups": "params/sources/apidocs.txt"}, "its first row is not the columns' names"),
        ({"groups": "{listed}"}, "package 'ase' of params/sources/apidocs.txt is not listed"),
    ],
    ids=["missing", "other", "incomplete"],
)
def test_a_file_of_groups_is_checked_at_the_start(tmp_path, own, words):
    listed = tmp_path / "listed.csv"
    listed.write_text("module,package,repository,since,why\ndask,dask,example.org,2014,known\n")
    own = {key: value.format(listed=listed) for key, value in own.items()}
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(yaml.safe_dump({"datasets": {"apidocs": own}}))
    assert words in run("snakemake", "-n", "--configfile", overlay, cwd=ROOT, ok=False)


@pytest.mark.parametrize(
    ("prompts", "options"),
    [
        ({}, ["--no-dropout", "--query-max-length", "32"]),
        (
            {"query_prompt": "", "document_prompt": "it's {a} 'text':\n$x "},
            [
                *("--document-prompt", "it's {a} 'text':\n$x ", "--no-dropout"),
                *("--query-max-length", "32", "--query-prompt", ""),
            ],
        ),
    ],
    ids=["own", "given"],
)
def test_prompts_reach_the_checkpoint_stage_as_they_are(tmp_path, prompts, options):
    overlay, target = tmp_path / "mine.yaml", "data/apidocs/pretrained/model"
    overlay.write_text(yaml.safe_dump({"encoder": prompts}))
    text = run("snakemake", "-n", "-p", "-F", "--configfile", overlay, "--", target, cwd=ROOT)
    told = text[text.index("jointir checkpoint") : text.index("2>&1 | tee logs/apidocs/checkpoint")]
    assert shlex.split(told)[-len(options) - 2 :] == [*options, "--out", target]


def test_snakemake_says_which_dataset_is_unknown():
    text = run("snakemake", "-n", "--config", "figure4={datasets: [apidcos]}", cwd=ROOT, ok=False)
    assert (
        "figure4.datasets: 'apidcos' is not under `datasets`" in text
        and "['apidocs', 'apidocs-10k', 'apidocs-shift', 'medquad']" in text
    )


def test_snakemake_refuses_a_typo_before_it_plans():
    text = run(
        "snakemake", "-n", "--config", "systems={jpq: {leraning_rate: 1}}", cwd=ROOT, ok=False
    )
    assert "'leraning_rate' was unexpected" in text and "Job stats" not in text


def undescribed(node: object, defs: dict, path: str = "") -> list[str]:
    """Return the properties that neither they nor their $ref describe."""
    found = []
    if isinstance(node, dict):
        for name, value in node.get("properties", {}).items():
            reference = defs.get(str(value.get("$ref", "")).rpartition("/")[2], {})
            described = "description" in {**value, **reference}
            if not described and "const" not in value:
                found.append(f"{path}/{name}")
        for name, value in node.items():
            children = value.items() if name == "properties" else [(name, value)]
            for key, child in children:
                found += undescribed(child, defs, f"{path}/{key}")
    return found


def test_every_parameter_is_described():
    schema = load(SCHEMA)
    assert undescribed(schema, schema["$defs"]) == []
    assert undescribed({"properties": {"a": {"properties": {"b": {}}}}}, {}) == ["/a", "/a/b"]
