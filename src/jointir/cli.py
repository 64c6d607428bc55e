"""`jointir STAGE --option value ...`: the command line of every stage, made from its signature."""

import ctypes
import functools
import gc
import importlib
import inspect
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Annotated, get_origin

from jointir.basics.processor import flags

# Read once, when the libraries load, so set before any stage is imported.
# Idle OpenMP threads that spin triple the time of faiss' PQ training.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# The OpenBLAS in faiss' wheel is of 2021. On a processor that it does not know it takes kernels
# without AVX, a third as fast. With one kernel for all, the same index comes from each of them.
if {"avx2", "fma"} <= flags():
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import typer

from jointir.basics.errors import InputError
from jointir.basics.numbers import check_number, check_seed
from jointir.basics.settings import Checked, described
from jointir.faults import told
from jointir.methods.facts import Form
from jointir.methods.known import facts, fitted, libraries, path_of, rankers, trained
from jointir.report.known import reports

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h

# Imported only when called: torch alone takes seconds to load. Beside these, each method of
# `fitted()`, `libraries()` and `trained()` is a stage, rank-METHOD each of `rankers()`, and each
# figure and table of `reports()`.
STAGES = {
    "download-wheels": "jointir.data.download:download_wheels",
    "download-archives": "jointir.data.archives:download_archives",
    "corpus-apidocs": "jointir.data.corpus:corpus_apidocs",
    "corpus-medquad": "jointir.data.corpus:corpus_medquad",
    "corpus-beir": "jointir.data.corpus:corpus_beir",
    "corpus-ir-datasets": "jointir.data.corpus:corpus_ir_datasets",
    "corpus-vectors": "jointir.data.embedded:corpus_vectors",
    "checkpoint": "jointir.encode.encoder:checkpoint",
    "fits": "jointir.search.preflight:fits",
    "embed": "jointir.encode.embed:embed",
    "gather": "jointir.encode.shards:gather",
    "ivf": "jointir.search.ivf:ivf",
    "distill": "jointir.joint.distill:distill",
    "tune": "jointir.joint.tune:tune",
    "negatives": "jointir.joint.negatives:negatives",
    "doc2query": "jointir.expand.training:doc2query",
    "expand": "jointir.expand.stage:expand",
    "asi": "jointir.generative.asi:asi",
    "assign-ids": "jointir.generative.assign:assign_ids",
    "fixed-ids": "jointir.generative.controls:fixed_ids",
    "genret": "jointir.generative.genret:genret",
    "novo": "jointir.generative.novo:novo",
    "train-decoder": "jointir.generative.train_decoder:train_decoder",
    "generate": "jointir.generative.generate:generate",
    "measure-ids": "jointir.measure.expectation:measure_ids",
    "retrieve": "jointir.measure.retrieve:retrieve",
    "measure": "jointir.measure.effectiveness:measure",
    "results": "jointir.measure.results:results",
    "groups": "jointir.measure.groups:groups",
    "comparisons": "jointir.measure.comparisons:comparisons",
    "asi-results": "jointir.measure.asi_results:asi_results",
    "cold-start": "jointir.measure.cold_start:cold_start",
    "latency": "jointir.measure.latency:latency",
    "latencies": "jointir.measure.speed:latencies",
    "scaling": "jointir.measure.scaling:scaling",
    "compare": "jointir.report.revisions:compare",
}


# What the options are that are no settings, of a stage that takes settings: of paths and names.
PATHS = {
    "collection": "folder that a corpus stage wrote",
    "encoder": "folder of the encoder that the training starts from",
    "model": "folder of the model that the training starts from",
    "docs": "the documents' embeddings, float[N, D]",
    "teacher": "the train queries by the starting encoder, float[T, D]",
    "train_queries": "the vectors of the train queries, float[T, D]",
    "queries": "the vectors of the dev and test queries",
    "index": "the faiss index that the training starts from",
    "ids": "the documents' identifiers",
    "generated": "queries that the expand stage wrote, trained on beside the train queries",
    "generator": "folder that the doc2query stage wrote",
    "checkpoint": "a model of transformers, of `expand` in place of its generator: a folder, a hub"
    " id, or package:MODULE/FOLDER",
    "dataset": "what results call the collection",
    "system": "what results call the system",
    "seed": "of what is searched, as results tell it",
    "meta": "a JSON that tells how many queries there are",
    "tuned": "a file of the tune stage, whose choice takes the place of the options here",
    "own": "an option that keeps its value all the same",
    "out": "what is written",
    "out_index": "the faiss index that is written",
    "out_hybrid": "the same, of the hybrid",
    "meta_hybrid": "the same as `meta`, of the hybrid",
    "scratch": "folder of the checkpoint that a killed training resumes from",
}


def with_options(stage: Callable[..., None], name: str) -> Callable[..., None]:
    """Return `stage` as typer shall see it: every parameter is a --name, the required ones too.

    A parameter that is a dataclass is an option for each of its fields, with their descriptions and
    bounds as help. One that is annotated for typer stays as it is. An error ends the process with
    one line: typer would say nothing of an interrupt.
    """
    signature = inspect.signature(stage, eval_str=True)
    folded = {
        n: p.annotation for n, p in signature.parameters.items() if is_dataclass(p.annotation)
    }
    paths = PATHS if any(issubclass(kind, Checked) for kind in folded.values()) else {}
    parameters = [option for p in signature.parameters.values() for option in _options(p, paths)]

    @functools.wraps(stage)
    def command(**values: object) -> None:
        with told(name):
            for parameter, value in values.items():
                _check_numbers(parameter, value)
            for parameter, kind in folded.items():
                values[parameter] = kind(**{f.name: values.pop(f.name) for f in fields(kind)})
            stage(**values)
            sys.stdout.flush()  # at the end of Python, an error would have no line

    command.__signature__ = signature.replace(parameters=parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _options(parameter: inspect.Parameter, paths: dict[str, str]) -> list[inspect.Parameter]:
    """Return the options of a stage's parameter: one, or those of a dataclass's fields.

    paths: the help of parameters that are none.
    """
    kind, default = parameter.annotation, parameter.default
    if is_dataclass(kind):
        given = kind if default is parameter.empty else default
        return [
            inspect.Parameter(
                name,
                parameter.KEYWORD_ONLY,
                default=getattr(given, name, parameter.empty),
                annotation=Annotated[own, typer.Option(help=option.help())],
            )
            for name, (own, option) in described(kind).items()
        ]
    if get_origin(kind) is not Annotated:
        kind = Annotated[kind, typer.Option(help=paths.get(parameter.name))]
    return [parameter.replace(annotation=kind, kind=parameter.KEYWORD_ONLY)]


def _check_numbers(parameter: str, value: object) -> None:
    """Refuse numbers that no stage can work with, by the name of the option."""
    option = f"--{parameter.replace('_', '-')}"
    for one in value if isinstance(value, list) else [value]:
        check_number(option, one)
        if parameter in ("seed", "seeds"):
            check_seed(option, one)


def _check_processes(name: str) -> None:
    launched = "LOCAL_RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"
    shared = [method for method, its in facts().items() if its.shares] if launched else [name]
    if name not in shared:
        found = f"was launched in {os.environ['WORLD_SIZE']} processes, which would repeat its work"
        raise InputError(name, found, f"Launch one, or one of {', '.join(shared)}")


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to a gigabyte, for what is allocated next.

    By itself it gives each layer's activations back to the kernel, which clears their pages for the
    next layer: a twentieth of the time of embedding a corpus.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc takes
        libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)


def _stage(name: str) -> Callable:
    """Return the function of a stage, its libraries imported and left alone by Python's collector.

    They make 700,000 objects that live to the end. To look for garbage among these, while they
    are imported and again at exit, takes a third of the time that importing them takes.
    """
    module, function = stages()[name].split(":")
    gc.disable()
    imported = importlib.import_module(module)
    gc.freeze()
    gc.enable()
    found = getattr(imported, function)
    return found(name) if function == "stage" else found


def stages() -> dict[str, str]:
    """Return "MODULE:FUNCTION" of every stage; a function `stage` returns that of a method's name.

    Raises:
        InputError: a method or report has the name of another stage, which would run in its place.
    """
    found = dict(STAGES)

    def add(name: str, where: str, path: str, marked: str) -> None:
        if name in found:
            told = f"it has {marked}, and another stage is named {name!r}"
            raise InputError(path, told, "Choose another name")
        found[name] = where

    for method in fitted():
        add(method, "jointir.search.build:stage", path_of(method), "`new`")
    for method in libraries():
        add(method, "jointir.search.ann.registry:stage", path_of(method), "`searcher`")
    for method in trained():
        room = "joint" if facts()[method].form == Form.INDEX else "retrievers"
        add(method, f"jointir.{room}.stage:stage", path_of(method), "`train`")
    for method in rankers():
        add(f"rank-{method}", "jointir.search.ranker:stage", path_of(method), "`ranker`")
    for own in reports().values():
        add(own.command, f"jointir.{own.module}:{own.name}", own.path, "@report")
    return found


def main() -> None:
    """Run one stage; an error ends with one line on stderr (see faults.py) and exit code 1.

    A command line that is wrong is typer's to tell, with exit code 2.
    """
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    with told(name):
        names = list(stages())
    if name not in names:
        wrong = name not in ("-h", "--help")
        text = f"jointir: no stage {name!r}\n" if wrong else ""
        text += "usage: jointir STAGE [--help | options]\nstages: " + " ".join(names)
        print(text, file=sys.stderr if wrong else sys.stdout)
        sys.exit(2 if wrong else 0)
    # no markup: a docstring's [n, D] is no tag
    plain = {"rich_markup_mode": None, "pretty_exceptions_enable": False}
    app = typer.Typer(add_completion=False, **plain)
    with told(name):
        app.command()(with_options(_stage(name), name))
        _check_processes(name)
        _keep_freed_memory()
        app(sys.argv[2:], prog_name=f"jointir {name}")


if __name__ == "__main__":
    main()
