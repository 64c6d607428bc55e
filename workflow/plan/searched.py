"""What the stages that build, search and time an index are told, and where an index is."""

import re
from pathlib import Path
from types import SimpleNamespace

from snakemake.iocontainers import Wildcards
from workflow.plan import given
from workflow.plan.datasets import GENERATED, model_files, source_files
from workflow.plan.figures import FIGURE5
from workflow.plan.settings import (
    ENTRIES,
    entry,
    method_settings,
    module_of,
    refuse,
    search_class,
)
from workflow.plan.trained import folder_of_start, is_read, seed_named
from workflow.scripts.shell import options
from workflow.scripts.systems import bits_of

from jointir.basics.settings import described
from jointir.methods import known
from jointir.methods.facts import Form


def library(system: str) -> list[str]:
    """Return the module, without the package's name, of a system that a library builds."""
    is_one = given.systems.facts(system).form == Form.LIBRARY
    return [module_of(given.systems.methods[system])] if is_one else []


def library_options(wildcards: Wildcards) -> str:
    """Return the options that a library's index is built with; M is its folder's if it is swept."""
    swept = {"M": M} if (M := wildcards.get("M")) else {}
    return options(method_settings(wildcards.system) | swept)


def code_of_ranker(method: str) -> list[str]:
    """Return the source files that a ranker searches by, or refuse FACTS that name none."""
    module = known.facts()[method].ranker.partition(":")[0]
    try:
        return source_files("search.ranker", module)
    except FileNotFoundError as e:
        found = f"`ranker` of its `FACTS` names {module!r}, and there is no {e}"
        refuse(known.path_of(method), found, "Write it, or correct the name")


def ranked_from(wildcards: Wildcards, name: str) -> list[str]:
    """Return an optional file of a ranker by its option, where it reads it."""
    system, folder = wildcards.system, f"data/{wildcards.dataset}"
    facts = given.systems.facts(system)
    if name == "model":
        return [f"{folder}/{system}/model"] * facts.trains
    if name == "docs":
        return [f"{folder}/{entry(system)['start']}/docs.npy"] if facts.rescores else []
    if name == "checkpoint":
        return model_files(entry(system).get("checkpoint", ""))
    return [GENERATED.format(dataset=wildcards.dataset)] * is_read(system, name)


def ranker_options(wildcards: Wildcards) -> str:
    """Return the options of a ranker's search: those of `search`, or of the entry itself."""
    own = entry(wildcards.system)
    told = own | own.get("search", {})
    return options({name: told[name] for name in described(search_class(wildcards.system))})


def rescored_runs(method: str) -> dict[str, list[str] | str]:
    """Return the files of the second ranking, of a method that has one."""
    if not known.facts()[method].rescores:
        return {}
    return {"out_hybrid": runs("hybrid"), "meta_hybrid": meta("hybrid")}


def of_encoder(system: str, dataset: str, documents: bool = False) -> str:
    """Return the folder of the encoder that embeds the queries of a system, or its documents."""
    facts = given.systems.facts(system) if system in given.systems else None
    if facts and (facts.form == Form.EXACT or (documents and not facts.own_documents)):
        return of_encoder(entry(system)["start"], dataset, documents)
    return f"data/{dataset}/{system}"


def index_of(wildcards: Wildcards) -> tuple[str, str]:
    """Return where a system's index is, and the queries that are embedded for it."""
    dataset, system, setting = wildcards.dataset, wildcards.system, wildcards.setting
    base, form = f"data/{dataset}/systems", given.systems.facts(system).form
    queries = f"data/{dataset}/star/queries.npy"
    if form in (Form.EXACT, Form.ENCODER):
        documents = of_encoder(system, dataset, documents=True)
        return f"{documents}/flat.faiss", f"{of_encoder(system, dataset)}/queries.npy"
    own = f"{base}/{system}"
    if form == Form.LIBRARY:
        return f"{own}/{setting}/index" if setting.startswith("M") else f"{own}/index", queries
    own = f"{own}/{setting if '-seed' in setting else setting.split('-')[0]}"
    if dataset in given.vectors:  # there is no query encoder
        return f"{own}/index.faiss", queries
    if system in given.joint:
        queries = f"{own}/queries.npy"
    elif system not in given.built:  # its codes and its query encoder are those of its start
        M = int(re.match(r"M(\d+)", setting)[1])
        queries = f"{base}/{folder_of_start(system, M)}/queries.npy"
    return f"{own}/index.faiss", queries


def runs(setting: str) -> list[str]:
    """Return the patterns of a system's runs at one setting, or at {setting}: one a split."""
    return [f"data/{{dataset}}/runs/{{system}}/{setting}/{split}.trec.gz" for split in given.SPLITS]


def meta(setting: str) -> str:
    """Return the pattern of what results are told of a system at a setting, or at {setting}."""
    return f"data/{{dataset}}/runs/{{system}}/{setting}/meta.json"


def encoder_of(queries: str) -> str:
    """Return the encoder that made a matrix of queries."""
    folder = Path(queries).parent
    return f"{folder}/{'query_encoder' if 'systems' in folder.parts else 'model'}"


def shown_setting(wildcards: Wildcards) -> str:
    """Return what tables call a setting: M=48, M=96 K=16, bits=384, efSearch=64, or nothing."""
    system, setting = wildcards.system, wildcards.setting.split("-seed")[0]
    if setting == "flat":
        return ""
    if given.systems.facts(system).counts_bits:
        return f"bits={8 * int(setting[1:])}"
    named = re.sub(r"([A-Za-z_]+)(\d+)-?", r"\1=\2 ", setting).strip()
    of_4_bits = given.systems.facts(system).bits and bits_of(ENTRIES, system) == 4
    return f"{named} K=16" if of_4_bits else named


def value(wildcards: Wildcards) -> int:
    """Return the value of the search parameter that a setting names, 0 where the index has none."""
    named = re.search(r"([A-Za-z_]+)(\d+)$", wildcards.setting)
    return int(named[2]) if named and named[1] not in ("M", "seed") else 0


def seed_of(wildcards: Wildcards) -> int:
    """Return the seed of what made a system's index."""
    if (seed := seed_named(wildcards)) is not None:
        return seed
    if wildcards.dataset in given.vectors and wildcards.system in given.joint:
        return given.config["distill"]["seed"]
    return entry(wildcards.system).get("seed", entry("star")["seed"])


def timed(dataset: str) -> list[SimpleNamespace]:
    """Return the systems and settings of figure 5 that are ways to search, like wildcards."""
    return [
        SimpleNamespace(dataset=dataset, system=system, setting=setting)
        for system, settings in FIGURE5.items()
        for setting in settings
    ]


def latency_options(wildcards: Wildcards) -> str:
    """Return the options that tell the latency stage of each system and setting, in parallel."""
    told = []
    for w in timed(wildcards.dataset):
        index, queries = index_of(w)
        meta = f"data/{w.dataset}/runs/{w.system}/{w.setting}/meta.json"
        told.append(
            f"--index {index} --meta {meta} --value {value(w)} --queries {queries}"
            f" --encoder {encoder_of(queries)}"
        )
    return " ".join(told)


def latency_inputs(wildcards: Wildcards) -> list[str]:
    """Return every file that the latency stage reads of the systems, once."""
    own = timed(wildcards.dataset)
    files = {f for w in own for f in index_of(w)} | {encoder_of(index_of(w)[1]) for w in own}
    files |= {f"data/{w.dataset}/runs/{w.system}/{w.setting}/meta.json" for w in own}
    return sorted(files)
