from jointir.methods.facts import Form
from workflow.plan import given
from workflow.plan.datasets import source_files
from workflow.plan.searched import library, library_options
from workflow.plan.settings import entry
from workflow.plan.trained import start_of
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of

# Indexes of search that is not exhaustive, or of other libraries: figure 5 and its tables.


rule ivf:
    input:
        code=source_files("search.ivf"),
        index=start_of,
    output:
        index="data/{dataset}/systems/{system}/{setting}/index.faiss",
    log:
        "logs/{dataset}/{system}/{setting}.log",
    wildcard_constraints:
        system=any_of(given.systems.of_method("ivf-jpq")),
        setting=r"M\d+",
    resources:
        mem_mb=memory(2000, index=2),
        runtime=120,
    params:
        nlist=lambda w: entry(w.system)["nlist"],
        iterations=lambda w: entry(w.system)["iterations"],
        seed=lambda w: entry(w.system)["seed"],
    shell:
        "jointir ivf --index {input.index} --out {output.index} --nlist {params.nlist}"
        " --iterations {params.iterations} --seed {params.seed} 2>&1 | tee {log}"


rule ann_build:
    input:
        code=lambda w: source_files("search.ann.registry", *library(w.system)),
        docs="data/{dataset}/star/docs.npy",
    output:
        index=directory("data/{dataset}/systems/{system}/index"),
    log:
        "logs/{dataset}/{system}/build.log",
    wildcard_constraints:
        system=any_of(given.systems.of_form(Form.LIBRARY)),
    threads: 1
    resources:
        mem_mb=memory(6000, docs=6),
        runtime=240,
    params:
        method=lambda w: given.systems.methods[w.system],
        settings=library_options,
    shell:
        "jointir {params.method} --docs {input.docs} --out {output.index} {params.settings}"
        " --threads {threads} 2>&1 | tee {log}"


use rule ann_build as ann_build_sized with:
    output:
        index=directory("data/{dataset}/systems/{system}/M{M}/index"),
    log:
        "logs/{dataset}/{system}/M{M}-build.log",
