"""Every command and every line of Python in README and docs runs as it stands there."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from conftest import ENV, run
from documented import OF_DVC, blocks, commands, do, prepare, shorter
from jointir.data.store import read_queries
from test_inputs import save_beir

DATASET = "apidocs-ci"
CI = {"SNAKEMAKE_PROFILE": "profiles/ci"}  # as README tells: the same commands on a few documents


@pytest.fixture(scope="module")
def folder(pipeline, large) -> Path:
    """The run of the ci preset in a copy that `./run` works in, with the files of a clone."""
    folder = large / "jointir"
    run("cp", "-a", pipeline.folder, folder, cwd=pipeline.folder)
    prepare(folder)
    run("git", "init", "--quiet", cwd=folder)
    beir = save_beir(folder.parent / "beir", folder.parent)
    (mine,) = (text for text in blocks("yaml") if text.startswith("# mine.yaml"))
    (folder / "mine.yaml").write_text(mine.replace("/path/to/beir-folder", str(beir)))
    (own,) = (text for text in blocks("yaml") if text.startswith("# vectors.yaml"))
    (folder / "vectors.yaml").write_text(own.replace("/path/to", str(folder.parent)))
    for name in ("docs", "queries"):
        np.save(folder.parent / f"{name}.npy", np.eye(32, dtype=np.float32))
    return folder


@pytest.mark.parametrize("command", [c for c in commands() if not OF_DVC.search(c)])
def test_a_command_runs(folder, command):
    told = do(shorter(command), folder, **CI)
    # pybind11, which is asked where it is, was not installed: the command before is a dry run
    assert "Traceback" not in told or "import pybind11" in command
    if shorter(command) == command and "snakemake" in command and "--report" not in command:
        assert "Nothing to be done" in told, "what it names was made by the run"


def test_a_home_that_cannot_be_written_is_no_obstacle(folder):
    """Snakemake alone ends with a traceback: it keeps a cache there."""
    told = do("./run snakemake -n reports/figure4.pdf", folder, **CI, HOME="/proc/none")
    assert (
        f"run: /proc/none/.cache cannot be written, so caches go to XDG_CACHE_HOME={folder}" in told
    )
    assert "Nothing to be done" in told


def test_no_command_names_a_target_after_a_configuration_file():
    """Snakemake reads several: it would take the target for one more."""
    given = [re.search(r"--configfile((?: [^-#]\S*)+)", c) for c in commands()]
    files = [name for found in given if found for name in found[1].split()]
    assert len(files) > 3 and {Path(name).suffix for name in files} == {".yaml"}


def test_the_overlay_of_the_docs_is_read(folder):
    told = do("./run snakemake -n -p --configfile mine.yaml -- data/mine/pretrained/model", folder)
    settings = yaml.safe_load((folder / "mine.yaml").read_text())["encoder"]
    assert f"--checkpoint {settings['checkpoint']} " in told
    assert f"--document-max-length {settings['document_max_length']} " in told


def test_the_lines_of_python_find_what_our_own_run_finds(folder):
    """As they stand: only the names of the default corpus and of its M are those of the run."""
    (lines,) = (text for text in blocks("python") if "data/apidocs" in text)
    for link, target in (("data/apidocs", DATASET), (f"data/{DATASET}/systems/jpq/M48", "M16")):
        (folder / link).symlink_to(target)
    queries = read_queries(folder / "data/apidocs/collection", "test")
    text = queries["text"][0]
    asked = lines.replace("Compute the inverse of a matrix.", text.replace('"', '\\"'))
    command = ["python", "-c", f"{asked}\nimport numpy; numpy.save('found.npy', scores)"]
    done = subprocess.run(command, cwd=folder, env=ENV, text=True, capture_output=True, check=True)
    found = yaml.safe_load(done.stdout)
    top = [
        line.split()
        for line in run("zcat", "-f", "data/apidocs/runs/jpq/M16/test.trec.gz", cwd=folder).split(
            "\n"
        )
        if line.startswith(f"{queries['query_id'][0]} ")
    ][:10]
    assert found == [doc for _, _, doc, *_ in top]
    scores = np.load(folder / "found.npy")[0]
    np.testing.assert_allclose(scores, [float(line[4]) for line in top], atol=2e-3)  # float16
