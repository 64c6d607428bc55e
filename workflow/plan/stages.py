"""The stages of DVC: what a person would name. Each is also a target of Snakemake, stage_NAME."""

from collections.abc import Callable
from typing import NamedTuple

from workflow.plan import given
from workflow.plan.datasets import DOWNLOADED, each_dataset
from workflow.plan.figures import FIGURE1, FIGURE4, each_system, only
from workflow.plan.reporting import check_names, file_of, reported
from workflow.plan.settings import entry, refuse, widths
from workflow.plan.tables import made
from workflow.plan.trained import is_read
from workflow.plan.trainings import (
    BASELINE,
    each_training,
    generated_queries,
    of_baselines,
)

from jointir.methods.facts import PRETRAINED, Form
from jointir.report.known import reports


class Stage(NamedTuple):
    """A stage of DVC: what it leaves, in one line, and the files and folders of this."""

    says: str
    targets: Callable[[], list[str]]


def by_method(systems: list[str]) -> dict[str, list[str]]:
    """Return {stage: systems}, a stage a method, of those that figure 4 shows or starts from."""
    starts = {given.systems[s]["start"] for s in given.of_figure4 if s in given.joint}
    found = {}
    for system in [s for s in systems if s in ({*given.of_figure4} | starts) - {"star"}]:
        found.setdefault(given.systems.methods[system].replace("-", "_"), []).append(system)
    return found


def embedded_by_pretrained() -> list[str]:
    """Return what the encoder as it came embeds, where figure 1 or 4 shows it, or STAR reads it."""
    exact = [s for s in given.systems.of_form(Form.EXACT) if s in FIGURE1 or s in FIGURE4]
    shown = any(entry(s)["start"] == PRETRAINED for s in exact)
    files = ["docs.npy"] * is_read("star", "docs") + ["flat.faiss", "queries.npy"] * shown
    folder = "data/{dataset}/pretrained"
    return [f for name in files for f in each_dataset(f"{folder}/{name}", among=given.texts)]


def _first() -> dict[str, Stage]:
    return {
        "download": Stage(
            "the pinned files that the datasets are made from",
            lambda: each_dataset("data/{dataset}/source", kinds=list(DOWNLOADED)),
        ),
        "corpus": Stage(
            "the documents, queries and judgements of each dataset",
            lambda: each_dataset("data/{dataset}/collection"),
        ),
        "pretrained": Stage(
            "the encoder before training, and what it embeds where that is read",
            lambda: (
                each_dataset("data/{dataset}/pretrained/model", among=given.texts)
                + each_dataset("data/{dataset}/fits/figure4.json")
                + embedded_by_pretrained()
            ),
        ),
        "star": Stage(
            "STAR, the dual encoder that all indexes start from, and what it embeds",
            lambda: (
                each_dataset("data/{dataset}/star/model", among=given.texts)
                + each_dataset("data/{dataset}/star/flat.faiss")
                + each_dataset("data/{dataset}/star/queries.npy")
                + each_dataset("data/{dataset}/star/train.npy")
            ),
        ),
    }


def _fitted() -> dict[str, Stage]:
    return {
        stage: Stage(
            f"the index at each size: {', '.join(own)}",
            lambda own=own: each_system(file_of("build", "out"), only(own)),
        )
        for stage, own in by_method(given.built).items()
    }


def _trained_indexes() -> dict[str, Stage]:
    queries = "data/{dataset}/systems/{system}/{setting}/queries.npy"
    return {
        stage: Stage(
            f"the index and its query encoder at each size: {', '.join(own)}",
            lambda own=own: (
                each_system(queries, only(own), given.texts)
                + each_system(file_of("distill", "out_index"), only(own), given.vectors)
            ),
        )
        for stage, own in by_method(given.joint).items()
    }


def _trained_encoders() -> dict[str, Stage]:
    return {
        stage: Stage(
            f"the trained encoder and its queries: {', '.join(own)}",
            lambda own=own: each_system("data/{dataset}/{system}/queries.npy", only(own)),
        )
        for stage, own in by_method(given.systems.of_form(Form.ENCODER)).items()
    }


def _tuned() -> dict[str, Stage]:
    def chosen() -> list[str]:
        wanted = given.config["tune"]["run"]
        return each_dataset(file_of("tune", "out"), among=given.texts) if wanted else []

    return {"tune": Stage("the settings of JPQ that dev likes best", chosen)}


def _measured() -> dict[str, Stage]:
    return {
        "search": Stage(
            "what each system of figure 4 finds for each query",
            lambda: each_system(file_of("retrieve", "meta")),
        ),
        "measure": Stage(
            "the effectiveness of each system of figure 4, with intervals and p values",
            lambda: [*made("results", "comparisons"), *given.rules.groups.output],
        ),
    }


def _generative() -> dict[str, Stage]:
    return {
        "expand": Stage(
            "queries that a generator writes for each document, and the generator",
            generated_queries,
        ),
        "asi": Stage(
            "ASI, ASI++ and their variants: identifiers, decoders, what they find; and their"
            " baselines",
            lambda: (
                each_training(file_of("measure_ids", "out"))
                + each_training(file_of("cold_start", "out"), only="holdout")
                + of_baselines(BASELINE)
            ),
        ),
        "asi_report": Stage(
            "the tables and figures of ASI++",
            lambda: [*given.rules.asi_results.output, *reported("asi_report")],
        ),
    }


def _reports() -> dict[str, Stage]:
    return {
        "speed": Stage(
            "figure 5, tables 1 and 2: other ways to search, and how fast each system is",
            lambda: [
                *made("results-speed", "comparisons-speed"),
                *given.rules.latencies.output,
                *reported("speed"),
            ],
        ),
        "scaling": Stage(
            "the synthetic ladder: how speed grows with the number of documents",
            lambda: [*given.rules.scaling.output, *reported("scaling")],
        ),
        "ablation": Stage(
            "figure 7: what each part of JPQ's training is worth",
            lambda: [*made("results-ablation", "comparisons-ablation"), *reported("ablation")],
        ),
        "retrievers": Stage(
            "figure 1, tables 3 and 5: other retrievers",
            lambda: [
                *made("results-retrievers", "comparisons-retrievers"),
                *reported("retrievers"),
            ],
        ),
        "negatives": Stage(
            "figure 3: the negatives that JPQ trains on",
            lambda: [
                *each_dataset(file_of("negatives", "out"), among=given.texts),
                *reported("negatives"),
            ],
        ),
        "report": Stage(
            "figure 4 and its tables: effectiveness and index size",
            lambda: reported("report"),
        ),
    }


def all_stages() -> dict[str, Stage]:
    """Return the stages in order. A file belongs to the first that makes it.

    Indexes that are fitted come before `tune`, which needs one of them. The params that a stage
    depends on are noted while its functions, its rules and its jobs read them (reads.py).

    Raises:
        SystemExit: a method has the name of another stage, or a report names none of these.
    """
    first, tune, fitted = _first(), _tuned(), _fitted()
    trained = _trained_indexes() | _trained_encoders()
    later = _measured() | _generative() | _reports()
    found = first | fitted | tune | trained | later
    if others := [name for name in fitted | trained if name in first | tune | later]:
        refuse(
            "figure4.systems",
            f"the method {others[0]} has the name of a stage",
            "Choose another name for it",
        )
    for report in reports().values():
        check_names(report, "stage", [report.stage], found)
    return found


def wanted_reports() -> list[str]:
    """Return the stages that `rule all` asks for; some need a dataset with text."""
    if not given.texts:
        return ["report", "scaling", "asi_report"]
    return ["report", "speed", "scaling", "ablation", "negatives", "retrievers", "asi_report"]


def models() -> dict[str, dict[str, str]]:
    """Return DVC's artifacts: JPQ's index and query encoder at the size that table 1 shows."""
    M = given.config["table1"]["M"]
    files = {"index": "index.faiss", "query-encoder": "query_encoder"}
    return {
        f"{d}-jpq-{kind}": {
            "path": f"data/{d}/systems/jpq/M{M}/{name}",
            "type": "model",
            "desc": f"JPQ's {kind.replace('-', ' ')} of {M} bytes a document, for {d}",
        }
        for d in given.datasets
        for kind, name in files.items()
        if "jpq" in FIGURE4 and M in widths("jpq") and (d in given.texts or kind == "index")
    }
