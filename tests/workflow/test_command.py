"""The command of a rule: options from the names of its files, and from its settings."""

import sys

import pytest
from snakemake.iocontainers import InputFiles, OutputFiles, Wildcards

from conftest import ROOT

sys.path.insert(0, str(ROOT))
from workflow.plan.command import command

W = Wildcards(fromdict={"dataset": "toy", "system": "my-jpq", "seed": "2"})
IN = InputFiles(
    fromdict={"code": ["a.py", "b.py"], "docs": "x/docs.npy", "train_queries": ["q 1", "q2"]}
)
OUT = OutputFiles(fromdict={"out": "x/index.faiss", "made": "x.made", "beside": ["x.json"]})


def told(*given, **settings):
    return command(*given, **settings)(W, IN, OUT, 3)


def test_files_are_options_of_their_names_in_their_order():
    files = "--docs x/docs.npy --train-queries 'q 1' --train-queries q2 --out x/index.faiss"
    assert told("distill") == f"jointir distill {files}"
    assert told("distill", untold=["train_queries", "out"]) == "jointir distill --docs x/docs.npy"


def test_a_file_that_is_not_there_is_no_option():
    none = InputFiles(fromdict={"docs": [], "teacher": []})
    assert command("jpq")(W, none, OutputFiles(), 1) == "jointir jpq"


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({"seed": "{seed}", "system": "{system}"}, "--seed 2 --system my-jpq"),
        ({"threads": "{threads}", "dataset": "{dataset}"}, "--dataset toy --threads 3"),
        ({"batch_tokens": 64, "lr": None, "exact": True}, "--batch-tokens 64 --exact"),
        ({"k1": lambda w: [0.9, 1.2], "b": lambda w: w.seed}, "--b 2 --k1 0.9 --k1 1.2"),
        ({"measure": lambda w: "R@{x}"}, "--measure 'R@{x}'"),  # of the params: not replaced
        ({"setting": lambda w: ""}, "--setting ''"),
    ],
)
def test_settings(settings, options):
    whole = command("stage", **settings)(W, InputFiles(), OutputFiles(), 3)
    assert whole == f"jointir stage {options}"


def test_texts_and_the_stage_may_be_functions_and_empty_ones_are_left_out():
    made = command(lambda w: w.system, lambda w: "", "--dev-measures RR@10", lambda w: "--x {y}")
    assert made(W, InputFiles(), OutputFiles(), 1) == "jointir my-jpq --dev-measures RR@10 --x {y}"


def test_a_wildcard_that_the_rule_does_not_have_is_an_error():
    with pytest.raises(KeyError, match="M"):
        told("build", M="{M}")
