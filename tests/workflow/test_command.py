"""The command of a rule: options from its settings, and from the names of its files."""

import ast
import re
import sys
from inspect import signature

import pytest
from snakemake.iocontainers import InputFiles, OutputFiles, Wildcards

from conftest import ROOT, run

sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))
import dvc_dag
from workflow.plan.command import command, files, files_but

W = Wildcards(fromdict={"dataset": "toy", "system": "my-jpq", "seed": "2"})
IN = InputFiles(
    fromdict={"code": ["a.py", "b.py"], "docs": "x/docs.npy", "train_queries": ["q 1", "q2"]}
)
OUT = OutputFiles(fromdict={"out": "x/index.faiss", "made": "x.made", "beside": ["x.json"]})


def test_files_are_options_of_their_names_in_their_order():
    told = "--docs x/docs.npy --train-queries 'q 1' --train-queries q2 --out x/index.faiss"
    assert files(W, IN, OUT) == told
    assert files_but("train_queries", "out")(W, IN, OUT) == "--docs x/docs.npy"


def test_a_file_that_is_not_there_is_no_option():
    none = InputFiles(fromdict={"docs": [], "teacher": ["t.npy"]})
    assert files(W, none, OutputFiles()) == "--teacher t.npy"


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"seed": "{seed}", "system": "{system}"}, "--seed 2 --system my-jpq"),
        ({"batch_tokens": 64, "lr": None, "exact": True}, "--batch-tokens 64 --exact"),
        ({"k1": lambda w: [0.9, 1.2], "b": lambda w: w.seed}, "--b 2 --k1 0.9 --k1 1.2"),
        ({"measure": lambda w: "R@{x}"}, "--measure 'R@{x}'"),  # of the params: not replaced
        ({"setting": lambda w: ""}, "--setting ''"),
        ({}, ""),
    ],
)
def test_settings(settings, options):
    assert command("stage", **settings)(W) == f"jointir stage {options}".strip()


def test_texts_and_the_stage_may_be_functions_and_empty_ones_are_left_out():
    made = command(lambda w: w.system, lambda w: "", "--dev-measures RR@10", lambda w: "--x {y}")
    assert made(W) == "jointir my-jpq --dev-measures RR@10 --x {y}"


def test_a_wildcard_that_the_rule_does_not_have_is_an_error():
    with pytest.raises(KeyError, match="M"):
        command("build", M="{M}")(W)


def test_what_is_set_is_in_no_param_that_snakemake_does_not_look_at(monkeypatch):
    """It looks at none whose function takes a job's files: such a param may tell these alone."""
    monkeypatch.chdir(ROOT)
    jobs = [job for own in dvc_dag.load().jobs.values() for job in own]
    rules = {job.rule.name: job.rule for job in jobs}
    of_job = {"input", "output", "threads", "resources"}
    blind = {
        (name, param)
        for name, rule in rules.items()
        for param, value in rule.params.items()
        if callable(value) and of_job & set(signature(value).parameters)
    }
    # `launch`: the number of GPUs changes no result
    assert {param for _, param in blind} == {"files", "meta", "launch"}
    assert len(rules) > 50


@pytest.mark.parametrize("path", sorted(ROOT.glob("workflow/rules/*.smk")), ids=lambda p: p.stem)
def test_a_shell_is_a_text(path):
    """A job evaluates it when it runs: a variable of a loop over rules has its last value then."""
    shells = re.findall(r"^( *)shell:\n((?:\1    .*\n)+)", path.read_text(), re.MULTILINE)
    assert len(shells) == path.read_text().count("shell:")
    for _, value in shells:
        assert isinstance(ast.literal_eval(f"(\n{value})"), str), value


def test_gpus_start_as_many_processes_of_a_training_that_may_share_them():
    gpus = ["jpq:gpu=2", "star:gpu=4", "colbert:gpu=3"]
    told = run("snakemake", "-n", "-p", "reports/figure1.pdf", "--set-resources", *gpus, cwd=ROOT)
    starts = re.findall(r"^Shell command: (.*?)jointir (jpq|star|opq|colbert) ", told, re.MULTILINE)
    assert len(starts) > 10
    processes = {"jpq": 2, "star": 4}
    of = "accelerate launch --multi_gpu --main_process_port 0 --num_processes {} -m "
    for text, stage in starts:
        assert text == (of.format(processes[stage]) if stage in processes else ""), stage
