"""What users write in params reaches each command as it is, whatever the shell makes of it."""

import shlex
import subprocess
import sys

import pytest

from conftest import ROOT, merge

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_dag

MEASURES = ["RR(rel=2)@10", "nDCG(dcg='exp-log2')@10", "nDCG(gains={1:3})@10"]
PROMPT = 'it\'s {a} $(b) "c" `d` \\ *'
BRACES = "org/{x}"
PINS = "my $pins; ('a').txt"
OVERLAY = {
    "datasets": {"apidocs": {"measures": {"dev": MEASURES[::-1], "test": MEASURES}}},
    "encoder": {"query_prompt": PROMPT, "checkpoint": BRACES},
    "asi": {"dataset": "apidocs"},
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Return the command of each job by rule, of the default params with OVERLAY."""
    pins = tmp_path_factory.mktemp("pins") / PINS
    pins.touch()
    overlay = merge(OVERLAY, {"datasets": {"apidocs": {"requirements": str(pins)}}})
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        jobs = [job for own in dvc_dag.load(overlay).jobs.values() for job in own]
        found: dict[str, list] = {}
        for job in jobs:
            if job.shellcmd:
                found.setdefault(job.rule.name, []).append(job.shellcmd)
    return found


def values(command: str, option: str) -> list[str]:
    words = shlex.split(command)
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_measures_reach_the_command_as_they_are(commands):
    for command in commands["measure"]:
        assert values(command, "--measures") == MEASURES
        assert values(command, "--dev-measures") == MEASURES[::-1]
        assert len(values(command, "--run")) == len(values(command, "--qrels")) == 2
        assert [path.rpartition("/")[2] for path in values(command, "--out")] == [
            "dev.parquet",
            "test.parquet",
        ]
    assert values(commands["rank_bm25"][0], "--measure") == [MEASURES[-1]]  # dev's main one


def test_paths_prompts_and_settings_reach_the_command_as_they_are(commands):
    (pins,) = values(commands["download"][0], "--requirements")
    assert pins.endswith(f"/{PINS}")
    assert values(commands["checkpoint"][0], "--query-prompt") == [PROMPT]
    assert values(commands["checkpoint"][0], "--checkpoint") == [BRACES]
    settings = {value for c in commands["retrieve"] for value in values(c, "--setting")}
    assert {"", "M=48", "M=96 K=16", "M=48 nprobe=8"} <= settings


def test_bash_reads_every_command(commands):
    every = "\n".join(command for own in commands.values() for command in own)
    done = subprocess.run(["bash", "-n"], input=every, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
