"""What the params say is read as it was meant, or refused in one line when the workflow is read."""

import sys

import pytest

from conftest import ROOT, all_params, bridge, clone, merge, run
from faults.harm import under_its_old_time

sys.path.insert(0, str(ROOT))
from workflow.scripts.inputs import beir_files, contents, encoder_files
from workflow.scripts.params import prepare

SCHEMA = ROOT / "workflow/schemas/params.schema.yaml"


def of(system: str, **settings: object) -> dict:
    """Return an overlay of one system."""
    return {"systems": {system: settings}}


def read(overlay: dict) -> dict:
    """Return the default params with an overlay, prepared as the workflow does."""
    params = merge(all_params(ROOT), overlay)
    prepare(params, SCHEMA)
    return params


@pytest.fixture(autouse=True)
def inside(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("overlay", "path", "meant"),
    [
        (of("jpq", lr="1e-05"), "systems.jpq.lr", 1e-5),
        (of("jpq", lr="1E-5"), "systems.jpq.lr", 1e-5),
        (of("jpq", steps="1e2"), "systems.jpq.steps", 100),
        (of("jpq", steps=100.0), "systems.jpq.steps", 100),
        (of("jpq-4bit", M=["32", 96.0]), "systems.jpq-4bit.M", [32, 96]),
        ({"sweep": {"M": ["16", 32.0]}}, "sweep.M", [16, 32]),
        (of("opq-4bit", bits=4.0), "systems.opq-4bit.bits", 4),
        (of("opq-4bit", bits="4"), "systems.opq-4bit.bits", 4),
        ({"embed": {"shards": 2.0}}, "embed.shards", 2),
        ({"encoder": {"query_prompt": "1e5"}}, "encoder.query_prompt", "1e5"),
        ({"encoder": {"query_prompt": None}}, "encoder.query_prompt", None),
        (of("asi", gamma="5e-2"), "systems.asi.gamma", 0.05),
    ],
    ids=str,
)
def test_a_number_is_one_however_it_is_written(overlay, path, meant):
    found = read(overlay)
    for key in path.split("."):
        found = found[key]
    assert found == meant and type(found) is type(meant)
    assert not isinstance(found, list) or {type(v) for v in found} == {int}


JPQ = "systems.jpq"
MINE = {"figure4": {"datasets": ["mine"]}, "asi": {"dataset": "mine"}}


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        (of("jpq", lr="fast"), f"{JPQ}.lr: 'fast' is not of type 'number'. What it is: AdamW's"),
        (of("jpq", lr=".5"), f"{JPQ}.lr: '.5' is not of type 'number'. "),
        (of("jpq", lr="0x10"), f"{JPQ}.lr: '0x10' is not of type 'number'. "),
        (of("jpq", steps=1.5), f"{JPQ}.steps: 1.5 is not of type 'integer'. What it is: batches"),
        (of("jpq", steps=True), f"{JPQ}.steps: True is not of type 'integer'. "),
        (of("jpq", leraning=1), f"{JPQ}: Additional properties are not allowed ('leraning' was"),
        ({"sweep": {"M": 16}}, "sweep.M: 16 is not of type 'array'. What it is: M, sub-quantizers"),
        ({"figure4": {"datasets": ["x"]}}, "figure4.datasets: 'x' is not under `datasets`. Desc"),
        (
            {"datasets": {"mine": {"kind": "beir", "folder": "."}}},
            "figure4.datasets: 'mine' is described under `datasets`, but not run. Write figure4: {",
        ),
        ({"asi": {"dataset": "x"}}, "asi.dataset: 'x' is not under `datasets`. Describe it there"),
        ({"asi": {"systems": ["x"]}}, "asi.systems: 'x' is not under `systems`. Describe it there"),
        (
            {"asi": {"baselines": ["x"]}},
            "asi.baselines: 'x' is not under `systems`. Describe it there",
        ),
        ({"asi": {"baselines": ["opq"]}}, "asi.baselines: 'opq' has the method 'opq'. Choose of "),
        ({"figure7": {"systems": ["x"]}}, "figure7.systems: 'x' is not under `systems`. Descri"),
        ({"datasets": {"mine": {"kind": "beir", "folder": "~no-such-user/x"}}} | MINE,
         "datasets.mine.folder: '~no-such-user/x' names a user that is not here. Correct it"),
        ({"datasets": {"mine": {"kind": "beir", "folder": "tests/{x}"}}} | MINE,
         "datasets.mine.folder: 'tests/{x}' holds a brace, which Snakemake takes for a wildcard."),
        ({"datasets": {"mine": {"kind": "beir", "folder": "data/mine"}}} | MINE,
         f"datasets.mine.folder: 'data/mine' is in {ROOT}/data/mine, which this pipeline writes."),
        ({"datasets": {"mine": {"kind": "beir", "folder": "no/such"}}} | MINE,
         "datasets.mine.folder: there is no folder 'no/such'. Correct it"),
        ({"datasets": {"mine": {"kind": "beir", "folder": "tests"}}} | MINE,
         "datasets.mine.folder: 'tests' holds no corpus.jsonl. Name a BEIR folder"),
        ({"encoder": {"checkpoint": "~no-such-user/x"}}, "encoder.checkpoint: there is no home"),
        ({"expand": {"checkpoint": "/no/such"}}, "expand.checkpoint: there is no folder '/no/su"),
        (of("bm25", expansion="t5"), "systems.bm25.expansion: 't5' is not one of ['none', 'doc2qu"),
        ({"encoder": {"checkpoint": "/no/such"}}, "encoder.checkpoint: there is no folder '/no/s"),
        ({"measure": {"measures": ["nDCG@10", "fun@3"]}}, "measure.measures: "),
    ],
    ids=str,
)  # fmt: skip
def test_what_means_nothing_is_refused_in_one_line(overlay, line):
    with pytest.raises(SystemExit) as told:
        read(overlay)
    assert told.value.code.startswith(line)
    assert "\n" not in told.value.code


def test_snakemake_says_no_more_than_that_line():
    told = run("snakemake", "-n", "--config", "systems={jpq: {lr: fast}}", cwd=ROOT, ok=False)
    assert told.splitlines()[-1].startswith(
        "systems.jpq.lr: 'fast' is not of type 'number'. What it is: "
    )
    assert "File " not in told and "Traceback" not in told


@pytest.mark.parametrize(
    ("target", "overlay", "line"),
    [
        ("table1.md", "sweep={M: [16]}", "table1.M: 48 is not in sweep.M. Choose of [16], or add"),
        ("table2.md", "sweep={M: [16]}", "table1.M: 48 is not in sweep.M. Choose of [16], or add"),
        ("table3.md", "sweep={M: [16]}", "table1.M: 48 is not in sweep.M. Choose of [16], or add"),
        ("figure3.pdf", "sweep={M: [24]}", "negatives.M: 16 is not in sweep.M. Choose of [24], "),
        ("asi_figure5.pdf", "asi={systems: [asi]}", "asi.systems: 'asi++' is not in it. ASI's fig"),
        (
            "asi_table3.md",
            "asi={systems: [asi]}",
            "asi.systems: 'asi-unseen' is not in it. ASI's ",
        ),
        ("asi_table7.md", "asi={systems: [asi]}", "asi.systems: 'asi++' is not in it. ASI's table"),
        ("asi_table4.md", "asi={systems: [asi]}", "asi.systems: 'asi++' is not in it. ASI's table"),
        ("asi_figure6.pdf", "asi={systems: [asi++]}", "asi.systems: 'asi' is not in it. ASI's fig"),
        (
            "figure7.pdf",
            "figure7={systems: [jpq-neg]}",
            "figure7.systems: 'jpq-loss' is not in it. ",
        ),
        (
            "figure_scaling.pdf",
            "scaling={M: 100}",
            "scaling.M: 100 does not divide the dimension 384.",
        ),
        (
            "asi_table1.md",
            "systems={asi++: {fresh: 200}}",
            "systems.asi++.fresh: 200 of a batch of ",
        ),
    ],
)
def test_a_report_that_cannot_be_made_is_refused_where_it_is_asked_for(target, overlay, line):
    told = run("snakemake", "-n", f"reports/{target}", "--config", overlay, cwd=ROOT, ok=False)
    assert told.splitlines()[-1].startswith(line)
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "overlays",
    [
        ["sweep={M: [16]}", "asi={systems: [asi]}", "figure7={systems: [jpq-neg]}",
         "scaling={M: 100}", "systems={asi++: {fresh: 200}}"],
        ["sweep={M: [24]}", "asi={systems: [asi++]}"],
    ],
)  # fmt: skip
def test_a_report_that_cannot_be_made_stops_no_other(overlays):
    assert "This was a dry-run" in run(
        "snakemake", "-n", "reports/figure4.pdf", "--config", *overlays, cwd=ROOT
    )


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        (
            "{asi: {train_decoder: {consistency: 0.1}}}",
            "systems.asi.train_decoder.consistency: 0.1 of two passes that are the same. Set",
        ),
        (
            "{ultron-url: {vocabulary: 256}}",
            "systems.ultron-url.vocabulary: 256, and `given: name` has as many as the documents",
        ),
        (
            "{genret: {genret: {refresh: 101}}}",
            "systems.genret.genret.steps: 400 for 2 positions that change their tokens each 101.",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_where_they_are_written(overlay, line):
    """Those of test_variants.py; `fresh` is above."""
    names = "asi={systems: [asi, asi++, ultron-url, genret]}"
    told = run(
        *("snakemake", "-n", "reports/asi_table1.md", "--config", names, f"systems={overlay}"),
        cwd=ROOT,
        ok=False,
    )
    assert told.splitlines()[-1].startswith(line)
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("", "dvc_bridge.py: no command ''. Choose of write, check, run, sync, verify"),
        ("chekc", "dvc_bridge.py: no command 'chekc'. Choose of write, check, run, sync, verify"),
        ("run", "dvc_bridge.py run: takes one stage, not ''"),
        ("run corpus star", "dvc_bridge.py run: takes one stage, not 'corpus star'"),
        ("run corpse", "dvc_bridge.py run: no stage 'corpse'. Choose of download, corpus, "),
        ("sync corpse", "dvc_bridge.py sync: no stage 'corpse'. Choose of download, corpus, "),
        ("verify all", "dvc_bridge.py verify: takes nothing, not 'all'"),
        ("write x", "dvc_bridge.py write: takes nothing, not 'x'"),
    ],
)
def test_the_bridge_refuses_in_one_line(command, line):
    told = bridge(command, ROOT, ok=False)
    assert told.startswith(line) and len(told.splitlines()) == 1


def test_the_bridge_tells_of_refused_params_in_one_line(tmp_path):
    folder = clone(tmp_path / "project")
    params = folder / "params/systems.yaml"
    params.write_text(params.read_text().replace("M: [16, 24, 32, 48, 64, 96]", "M: all"))
    for command in ("check", "write", "run corpus"):
        told = bridge(command, folder, ok=False)
        assert told.splitlines()[-1].startswith("sweep.M: 'all' is not of type 'array'. What it is")
        assert "Traceback" not in told


def test_files_behind_links_are_read_and_others_left_out(tmp_path):
    """A folder that bears a file's name, a broken link, and a link to a folder."""
    beir, encoder, elsewhere = (tmp_path / name for name in ("beir", "encoder", "elsewhere"))
    (beir / "qrels" / "old.tsv.d").mkdir(parents=True)
    (beir / "qrels" / "broken.tsv").symlink_to("nowhere")
    (beir / "qrels" / "test.tsv").write_text("x")
    (beir / "corpus.jsonl.gz").write_text("x")
    assert beir_files(str(beir)) == [str(beir / "corpus.jsonl.gz"), str(beir / "qrels/test.tsv")]
    (elsewhere / ".git").mkdir(parents=True)
    (elsewhere / ".git" / "config").write_text("hidden")
    (elsewhere / "config.json").write_text("mean")
    encoder.mkdir()
    (encoder / "1_Pooling").symlink_to(elsewhere)
    (encoder / "modules.json").write_text("[]")
    files = encoder_files(str(encoder))
    assert files == [str(encoder / "1_Pooling/config.json"), str(encoder / "modules.json")]
    before = contents(files)
    under_its_old_time(lambda file: file.write_text("last"), elsewhere / "config.json")
    assert contents(files) != before
    (elsewhere / "config.json").write_text("mean")
    assert contents(files) == before, "the content counts, not the time"
