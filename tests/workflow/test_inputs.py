"""What a user brings is compared by content, by both tools, and a wrong path is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from conftest import ENV, bridge, clone, commit, configure, run
from faults.harm import under_its_old_time
from jointir.data.store import read_corpus, read_qrels, read_queries
from tiny import N, save_collection, save_encoder

COLLECTION, MODEL = "data/mine/collection", "data/mine/pretrained/model"


def save_beir(folder: Path, scratch: Path) -> Path:
    """Write the tiny collection as a BEIR folder."""
    made = save_collection(scratch / "collection")
    (folder / "qrels").mkdir(parents=True)
    records = [
        {"_id": row.doc_id, "title": row.title, "text": row.text}
        for row in read_corpus(made).itertuples()
    ]
    write_lines(folder / "corpus.jsonl", map(json.dumps, records))
    queries = query_records(made)
    write_lines(folder / "queries.jsonl", map(json.dumps, queries))
    for split in ("train", "dev", "test"):
        rows = read_qrels(made / "qrels" / f"{split}.trec").itertuples()
        lines = [f"{row.query_id}\t{row.doc_id}\t{row.relevance}" for row in rows]
        write_lines(folder / "qrels" / f"{split}.tsv", ["query-id\tcorpus-id\tscore", *lines])
    return folder


def query_records(made: Path) -> list[dict]:
    """Return the records of queries.jsonl."""
    return [{"_id": row.query_id, "text": row.text} for row in read_queries(made).itertuples()]


def write_lines(path: Path, lines) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def replaced(path: Path, text: bytes) -> None:
    """Replace a file as `cp -p` and `rsync -a` do."""
    under_its_old_time(lambda file: file.write_bytes(text), path)


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> Path:
    """A project whose params name a BEIR folder and a local encoder, both made into artifacts."""
    scratch = tmp_path_factory.mktemp("inputs")
    beir = save_beir(scratch / "it's mine", scratch)
    encoder = save_encoder(scratch / "encoder")
    (encoder / "jointir.json").unlink()  # as it is on the hub
    folder = clone(scratch / "project")
    overlay = {
        "datasets": {"mine": {"kind": "beir", "folder": str(beir)}},
        "encoder": {
            "checkpoint": str(encoder),
            "query_max_length": 8,
            "document_max_length": 16,
        },
        "figure4": {"datasets": ["mine"], "systems": ["opq"]},
        "asi": {"dataset": "mine"},
        "sweep": {"M": [16]},
    }
    configure(folder, overlay)
    run("snakemake", "--cores", "1", COLLECTION, MODEL, cwd=folder)
    return folder


def judged(folder: Path) -> dict:
    """Return the grade of each pair of the test split."""
    rows = read_qrels(folder / COLLECTION / "qrels" / "test.trec")
    return {(row.query_id, row.doc_id): row.relevance for row in rows.itertuples()}


def test_a_changed_judgement_and_a_new_document_are_noticed(mine):
    beir = mine.parent / "it's mine"
    qrels = beir / "qrels" / "test.tsv"
    text = qrels.read_text()
    query, doc, grade = text.splitlines()[1].split("\t")
    assert judged(mine)[query, doc] == int(grade)
    assert "Nothing to be done" in run("snakemake", "-n", COLLECTION, cwd=mine)
    qrels.touch()
    assert "Nothing to be done" in run("snakemake", "-n", COLLECTION, cwd=mine), "equal content"
    replaced(qrels, text.replace(f"{query}\t{doc}\t{grade}", f"{query}\t{doc}\t3").encode())
    run("snakemake", "--cores", "1", COLLECTION, cwd=mine)
    assert judged(mine)[query, doc] == 3
    corpus = beir / "corpus.jsonl"
    new = json.dumps({"_id": "new", "title": "", "text": "w1 w2"})
    replaced(corpus, corpus.read_bytes() + f"{new}\n".encode())
    run("snakemake", "--cores", "1", COLLECTION, cwd=mine)
    assert read_corpus(mine / COLLECTION)["doc_id"].tolist()[N:] == ["new"]


def weight(folder: Path) -> torch.Tensor:
    tensors = load_file(folder / "model.safetensors")
    return tensors[sorted(tensors)[0]]


def test_an_encoder_whose_weights_were_overwritten_is_read_again(mine):
    encoder = mine.parent / "encoder"
    assert "Nothing to be done" in run("snakemake", "-n", MODEL, cwd=mine)
    changed = {
        name: 2 * tensor for name, tensor in load_file(encoder / "model.safetensors").items()
    }
    save_file(changed, mine.parent / "changed.safetensors", {"format": "pt"})
    replaced(encoder / "model.safetensors", (mine.parent / "changed.safetensors").read_bytes())
    run("snakemake", "--cores", "1", MODEL, cwd=mine)
    assert torch.equal(weight(mine / MODEL), weight(encoder))


def test_dvc_records_what_the_collection_is_made_of(mine):
    """A file that is added to the folder counts as well: it changes the judgements."""
    beir = mine.parent / "it's mine"
    run("dvc", "repro", "corpus", cwd=mine)
    assert json.loads(run("dvc", "status", "--json", "corpus", cwd=mine)) == {}
    qrels = beir / "qrels" / "test.tsv"
    query, doc, grade = qrels.read_text().splitlines()[-1].split("\t")
    text = qrels.read_text().replace(f"{query}\t{doc}\t{grade}", f"{query}\t{doc}\t5")
    qrels.write_text(text)
    status = json.loads(run("dvc", "status", "--json", "corpus", cwd=mine))
    assert status["corpus"][0]["changed deps"] == {str(beir): "modified"}
    run("dvc", "repro", "corpus", cwd=mine)
    assert judged(mine)[query, doc] == 5
    assert json.loads(run("dvc", "status", "--json", "corpus", cwd=mine)) == {}


@pytest.mark.parametrize(
    ("param", "value", "told"),
    [
        (
            "datasets.mine.folder",
            "~/no/such",
            "datasets.mine.folder: there is no folder '{home}/no/such'",
        ),
        (
            "datasets.mine.folder",
            "data/typo",
            "datasets.mine.folder: there is no folder 'data/typo'",
        ),
        ("encoder.checkpoint", "./typo", "encoder.checkpoint: there is no folder 'typo'"),
        ("encoder.checkpoint", "~/typo", "encoder.checkpoint: there is no folder '{home}/typo'"),
        ("encoder.checkpoint", "package:no_such/model", "'package:no_such/model' is not installed"),
        (
            "datasets.apidocs.requirements",
            "params/typo.txt",
            "datasets.apidocs.requirements: there is no file",
        ),
        (
            "datasets.medquad.archives",
            "params/typo.txt",
            "datasets.medquad.archives: there is no file",
        ),
    ],
)
def test_a_path_that_is_not_there_is_refused_beside_old_results(mine, tmp_path, param, value, told):
    """Snakemake alone says «Nothing to be done» to missing inputs of results that are there."""
    section, *names, last = param.split(".")
    overlay = {section: {last: value}}
    if names:
        overlay = {section: {names[0]: {last: value}}}
        overlay |= {"figure4": {"datasets": names}, "asi": {"dataset": names[0]}}
    (mine / "reports").mkdir(exist_ok=True)
    (mine / "reports/figure4.pdf").write_text("of another run")
    file = tmp_path / "typo.yaml"
    file.write_text(yaml.safe_dump(overlay))
    text = run(
        "snakemake", "reports/figure4.pdf", "--cores", "1", "--configfile", file, cwd=mine, ok=False
    )
    assert told.format(home=Path.home()) in text
    assert "Nothing to be done" not in text


def test_a_path_under_home_is_expanded(mine, monkeypatch):
    monkeypatch.setitem(ENV, "HOME", str(mine.parent))
    monkeypatch.setitem(ENV, "XDG_CACHE_HOME", str(mine.parent / "cache"))
    file = mine.parent / "home.yaml"
    named = {
        "datasets": {"mine": {"folder": "~/it's mine"}},
        "encoder": {"checkpoint": "~/encoder"},
    }
    file.write_text(yaml.safe_dump(named))
    text = run("snakemake", "-n", COLLECTION, MODEL, "--configfile", file, cwd=mine)
    assert "Nothing to be done" in text, "the same paths, the same contents"


def test_what_dvc_writes_is_a_number(mine):
    """`dvc exp run -S systems.jpq.lr=1e-5` writes 1e-05, which YAML 1.1 reads as text."""
    params = mine / "params/systems.yaml"
    text = params.read_text()
    kept = yaml.safe_load(text)
    kept["systems"]["jpq"]["lr"] = "1e-05"
    params.write_text(yaml.safe_dump(kept).replace("'1e-05'", "1e-05"))
    assert yaml.safe_load(params.read_text())["systems"]["jpq"]["lr"] == "1e-05"
    jpq = "data/mine/systems/jpq/M16/index.faiss"
    try:
        told = run("snakemake", "-n", "-p", jpq, cwd=mine)
        assert "--lr 1e-05 " in told
        bad = run("snakemake", "-n", "--config", "systems={jpq: {lr: fast}}", cwd=mine, ok=False)
        assert "'fast' is not of type 'number'" in bad
        more = "systems={jpq: {steps: 1e2}}"
        steps = run("snakemake", "-n", "-p", "--config", more, "--", jpq, cwd=mine)
        assert "--steps 100 " in steps
        text_stays = {"encoder": {"query_prompt": "1e5"}}
        file = mine.parent / "prompt.yaml"
        file.write_text(yaml.safe_dump(text_stays))
        prompt = run("snakemake", "-n", "-p", MODEL, "--configfile", file, cwd=mine)
        assert "--query-prompt 1e5" in prompt
    finally:
        params.write_text(text)


def test_a_stage_refuses_while_dvc_yaml_is_stale(mine):
    """It would record results of M = 16 beside the parameter M = 32."""
    folder = shutil.copytree(mine, mine.parent / "stale", symlinks=True)
    change = "params/systems.yaml:sweep.M=[32]"
    for stage in ("opq", "report"):
        command = ["dvc", "repro", "--single-item", "--force", stage]
        params = folder / "params/systems.yaml"
        text = params.read_text()
        params.write_text(yaml.safe_dump(yaml.safe_load(text) | {"sweep": {"M": [32]}}))
        told = run(*command, cwd=folder, ok=False)
        assert "dvc.yaml is stale" in told
        assert "python workflow/scripts/dvc_bridge.py write" in told
        params.write_text(text)
    commit(folder)
    told = run("dvc", "exp", "run", "opq", "-S", change, cwd=folder, ok=False)
    assert "dvc.yaml is stale" in told
    params.write_text(yaml.safe_dump(yaml.safe_load(text) | {"sweep": {"M": [16, 32]}}))
    bridge("write", folder)
    made = json.loads((folder / ".snakemake/dvc-stages.json").read_text())["stages"]["opq"][
        "outputs"
    ]
    assert "data/mine/systems/opq/M32/index.faiss" in made


def test_dvc_sees_what_is_behind_a_link_and_verify_what_kept_its_time(mine):
    beir, elsewhere = mine.parent / "it's mine", mine.parent / "elsewhere"
    (beir / "qrels").rename(elsewhere)
    (beir / "qrels").symlink_to(elsewhere)
    bridge("write", mine)
    run("dvc", "repro", "corpus", cwd=mine)
    qrels = elsewhere / "test.tsv"
    query, doc, grade = qrels.read_text().splitlines()[2].split("\t")
    before, after = (f"{query}\t{doc}\t{g}".encode() for g in (grade, 7))
    qrels.write_bytes(qrels.read_bytes().replace(before, after))
    status = json.loads(run("dvc", "status", "--json", "corpus", cwd=mine))
    assert status["corpus"][0]["changed deps"] == {str(elsewhere): "modified"}
    run("dvc", "repro", "corpus", cwd=mine)
    assert judged(mine)[query, doc] == 7
    replaced(qrels, qrels.read_bytes().replace(after, after[:-1] + b"6"))
    assert json.loads(run("dvc", "status", "--json", "corpus", cwd=mine)) == {}, "it looks at times"
    assert f"changed under its old time: {qrels}" in bridge("verify", mine, ok=False)
    run("dvc", "repro", "corpus", cwd=mine)
    assert judged(mine)[query, doc] == 6
    assert json.loads(run("dvc", "status", "--json", "corpus", cwd=mine)) == {}
