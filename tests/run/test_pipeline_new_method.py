"""A method is one file, a system one entry: what a user adds, and where it is found afterwards."""

import json
import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from conftest import CI, ENV, ROOT, bridge, edit_params, run
from jointir.data.store import document_texts, read_corpus, read_queries
from jointir.data.trec import read_run
from jointir.quantize.pq import read_pq

DATA = "data/apidocs-ci"
SIGNS = '''"""Signs of a random rotation: one bit for each of 8M directions at right angles."""

from dataclasses import dataclass
from typing import Annotated

from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Built
from jointir.basics.settings import Option

FACTS = Facts(Form.INDEX)


@dataclass(frozen=True, kw_only=True)
class Settings(Built):
    """Of an index."""

    spin: Annotated[int, Option("added to the seed of the rotation", least=0)] = 0


def new(D: int, settings: Settings):
    """Return the index before its documents are added."""
    import faiss

    rotation = faiss.RandomRotationMatrix(D, 8 * settings.M)
    rotation.init(settings.seed + settings.spin)
    signs = faiss.IndexLSH(8 * settings.M, 8 * settings.M, False)
    return faiss.IndexPreTransform(rotation, signs)
'''
MARGINS = '''"""JPQ that also learns how far the teacher's scores are from their mean."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods import jpq

FACTS = jpq.FACTS


@dataclass(frozen=True, kw_only=True)
class Settings(jpq.Settings):
    """Those of JPQ, and the weight of the second term."""

    margins: Annotated[float, Option("weight of the squared error of margins", least=0)] = 1


def train(files, settings, dev):
    """Train query encoder and centroids as JPQ does, by margins of scores, too."""
    from jointir.joint.jpq import JPQ, jpq

    class Margins(JPQ):
        def divergence(self, quantized, exact):
            margins = [scores - scores.mean(1, keepdim=True) for scores in (quantized, exact)]
            error = (margins[0] - margins[1]).square().mean()
            return super().divergence(quantized, exact) + settings.margins * error

    jpq(files, settings, dev, Margins)
'''
OVERLAP = '''"""Coordination level: how many of a query's words a document has."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option
from jointir.methods.facts import SPARSE, Facts, Form

FACTS = Facts(Form.RANKER, needs_text=True, group=SPARSE, ranker="search.overlap:Overlap")


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of a search."""

    shortest: Annotated[int, Option("letters of the shortest word that counts", least=1)]
'''
SEARCH = '''"""Coordination level: how many of a query's words a document has."""

import numpy as np

from jointir.data.store import document_texts, read_corpus
from jointir.methods.arguments import RankerFiles, RankerOptions
from jointir.methods.overlap import Settings
from jointir.search.ranker import Ranker


class Overlap(Ranker):
    """The words of each document."""

    def __init__(self, files: RankerFiles, settings: Settings, options: RankerOptions):
        """Read the documents."""
        corpus = read_corpus(files.collection)
        self.doc_ids, self.shortest = corpus["doc_id"].to_numpy(object), settings.shortest
        self.docs = [set(text.lower().split()) for text in document_texts(corpus)]

    def search(self, queries: list[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return ids str[Q, k], "" where no word is shared, and the numbers of shared words."""
        asked = [{w for w in q.lower().split() if len(w) >= self.shortest} for q in queries]
        shared = np.array([[len(words & own) for own in self.docs] for words in asked])
        rows = np.argsort(-shared, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(shared, rows, axis=1)
        return np.where(scores > 0, self.doc_ids[rows], ""), scores

    def size(self) -> dict[str, int]:
        """Return the bytes of the words."""
        return {"codes": sum(len(word.encode()) for own in self.docs for word in own)}
'''
METHODS = {"signs": SIGNS, "margins": MARGINS}  # one is fitted, one trained with the query encoder
ENTRIES = {
    "signs": {"method": "signs", "M": [16], "seed": 3, "spin": 2},
    "margins": {"method": "margins", "like": "jpq", "M": [16], "seed": 3, "margins": 0.5},
}
OPTIONS = {
    "signs": ("spin", "added to the seed of the rotation"),
    "margins": ("margins", "weight of the squared error of margins"),
}
each = pytest.mark.parametrize("name", METHODS)
RANKER = {"method": "overlap", "shortest": 3}
FILES = {f"src/jointir/methods/{name}.py": text for name, text in METHODS.items()}
FILES |= {"src/jointir/methods/overlap.py": OVERLAP, "src/jointir/search/overlap.py": SEARCH}
WRITTEN = {"docs/parameters.md", "dvc.yaml"}  # by the project's own scripts


@pytest.mark.parametrize("text", [MARGINS, OVERLAP, SEARCH])
def test_the_docs_show_this_very_file(text):
    assert text in (ROOT / "docs/extending.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def added(pipeline, large) -> Path:
    """Return a copy of the run in which the methods were added as docs/extending.md says."""
    folder = large / "project"
    run("cp", "-a", pipeline.folder, folder, cwd=pipeline.folder)
    for path, text in FILES.items():
        (folder / path).write_text(text)
    preset = yaml.safe_load((folder / CI).read_text())
    systems = [*preset["figure4"]["systems"], *METHODS]
    edit_params(folder, {"systems": ENTRIES, "figure4": {"systems": systems}})
    edit_params(folder, {"systems": {"overlap": RANKER}})
    preset["figure4"]["systems"] = systems
    preset["figure1"]["systems"] = [*preset["figure1"]["systems"], "overlap"]
    (folder / "mine.yaml").write_text(yaml.safe_dump(preset))
    (folder / "docs").mkdir(exist_ok=True)
    log = run("snakemake", "--cores", "2", "reports/figure4.pdf", "--configfile", "mine.yaml",
              cwd=folder)  # fmt: skip
    assert "rule build:" in log and log.count("rule margins:") == 1
    assert not [n for n in ("star", "tune", "jpq", "dpq") if f"rule {n}:" in log]
    bridge("write", folder)
    run(sys.executable, "workflow/scripts/parameters_page.py", "write", cwd=folder)
    return folder


@each
def test_its_row_is_in_the_results_and_its_line_in_figure_4(added, name):
    results = pd.read_csv(added / "reports/tables/results.csv")
    own = results[results["system"].eq(name)]
    assert sorted(own["split"].unique()) == ["dev", "test"] and set(own["setting"]) == {"M=16"}
    assert set(own["bytes_per_doc"]) == {16} and own["value"].between(0.05, 1).all()
    assert f"| {name} | M=16 | 16 |" in (added / "reports/tables/figure4.md").read_text()
    code = """
import sys
from pathlib import Path
from jointir.measure.results import read_results
from jointir.report.figure4 import render
from jointir.report.tables import final_rows
rows = final_rows(read_results([Path("reports/tables/results.csv")]))
print([line.get_label() for line in render(rows).axes[0].get_lines()])
"""
    env = ENV | {"PYTHONPATH": str(added / "src")}
    told = subprocess.run([sys.executable, "-c", code], cwd=added, env=env, check=True,
                          capture_output=True, text=True)  # fmt: skip
    assert f"'{name}'" in told.stdout and "'JPQ'" in told.stdout


def test_its_index_is_what_the_method_says(added):
    index = faiss.read_index(str(added / DATA / "systems/signs/M16/index.faiss"))
    assert index.ntotal > 0 and faiss.downcast_index(index.index).code_size == 16
    meta = json.loads((added / DATA / "runs/signs/M16/meta.json").read_text())
    assert meta["seed"] == 3 and meta["bytes"]["codes"] == 16 * index.ntotal


def test_its_training_is_jpqs_with_another_loss(added):
    folders = {name: added / DATA / f"systems/{name}/M16" for name in ("opq", "jpq", "margins")}
    opq, jpq, own = (read_pq(folder / "index.faiss") for folder in folders.values())
    assert np.array_equal(own.codes, opq.codes) and np.array_equal(own.rotation, opq.rotation)
    assert all(np.abs(own.centroids - other.centroids).max() > 1e-5 for other in (opq, jpq))
    encoders = [folders[name] / "query_encoder" for name in ("jpq", "margins")]
    jpqs, weights = (load_file(encoder / "model.safetensors") for encoder in encoders)
    assert jpqs.keys() == weights.keys()
    assert any(np.abs(jpqs[key] - weights[key]).max() > 0 for key in jpqs)
    assert (folders["margins"] / "training.csv").exists()
    assert (added / f"logs/{Path(DATA).name}/margins/M16.log").read_text().count("margins")
    meta = json.loads((added / DATA / "runs/margins/M16/meta.json").read_text())
    assert meta["seed"] == 3 and meta["bytes"]["codes"] == 16 * len(own.codes)


@each
def test_its_stage_is_in_dvc_yaml_with_its_own_params(added, name):
    stages = yaml.safe_load((added / "dvc.yaml").read_text())["stages"]
    named = {p for one in stages[name]["params"] for own in one.values() for p in own}
    assert f"systems.{name}" in named  # all of the entry: its own option, seed and M
    assert [path for out in stages[name]["outs"] for path in out] == [
        f"data/apidocs/systems/{name}"
    ]
    assert {"src/jointir/methods", "data/apidocs/star"} <= set(stages[name]["deps"])
    assert bool(named & {"systems.jpq", "systems.jpq.lr"}) == (name == "margins")
    assert ("src/jointir/joint" in stages[name]["deps"]) == (name == "margins")


@each
def test_its_options_are_explained(added, name):
    option, text = OPTIONS[name]
    env = ENV | {"PYTHONPATH": str(added / "src"), "COLUMNS": "200"}
    command = [sys.executable, "-m", "jointir", name, "--help"]
    told = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    assert f"--{option} " in told and f"{text} (at least 0)" in " ".join(told.split())
    page = (added / "docs/parameters.md").read_text()
    assert f"`method: {name}`: " in page and text in page


@each
def test_a_wrong_setting_is_refused_before_anything_runs(added, name):
    option = OPTIONS[name][0]
    told = run("snakemake", "-n", "--config", f"systems={{{name}: {{{option}: -1}}}}",
               cwd=added, ok=False)  # fmt: skip
    line = f"systems.{name}.{option}: -1 is less than the minimum of 0"
    assert told.splitlines()[-1].startswith(line)


def test_nothing_else_was_touched(added, pipeline):
    def files(folder: Path) -> dict[str, bytes]:
        kept = ("src", "workflow", "docs", "tests", "Snakefile", "dvc.yaml")
        paths = [p for name in kept for p in [folder / name, *(folder / name).rglob("*")]]
        paths = [p for p in paths if p.is_file() and "__pycache__" not in p.parts]
        return {str(p.relative_to(folder)): p.read_bytes() for p in paths}

    before, after = files(pipeline.folder), files(added)
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {*FILES, *WRITTEN} & set(after)


def test_a_ranker_is_a_method_and_a_class(added):
    """It has runs by the class, a row, options and a section on the page of parameters."""
    told = run("snakemake", "--cores", "2", "reports/tables/results-retrievers.csv",
               "--configfile", "mine.yaml", cwd=added)  # fmt: skip
    assert told.count("rule rank_overlap:") == 1 and "rule rank_bm25:" not in told
    corpus = read_corpus(added / DATA / "collection")
    docs = [set(text.lower().split()) for text in document_texts(corpus)]
    topics = read_queries(added / DATA / "collection", "test")
    found = read_run(added / DATA / "runs/overlap/flat/test.trec.gz")
    for query_id, text in topics[["query_id", "text"]].head(20).to_numpy():
        asked = {word for word in text.lower().split() if len(word) >= 3}
        shared = sorted((-len(asked & own), row) for row, own in enumerate(docs))
        right = [corpus["doc_id"][row] for n, row in shared[:100] if n]
        assert list(found.get(query_id, {})) == right
    rows = pd.read_csv(added / "reports/tables/results-retrievers.csv")
    own = rows[rows["system"].eq("overlap") & rows["split"].eq("test")]
    assert len(own) and own["value"].between(0.01, 1).all()
    page = (added / "docs/parameters.md").read_text()
    assert "`method: overlap`: Coordination level" in page
    told = run("snakemake", "-n", "--config", "systems={overlap: {shortest: 0}}",
               cwd=added, ok=False)  # fmt: skip
    assert told.splitlines()[-1].startswith("systems.overlap.shortest: 0 is less than the minimum")
