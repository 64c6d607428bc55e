from jointir.methods.facts import Form
from workflow.plan import given, searched, settings, trained
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options

# Indexes of search that is not exhaustive, or of other libraries: figure 5 and its tables.


rule ivf:
    input:
        code=source_files("search.ivf"),
        index=trained.start_of,
    output:
        out="data/{dataset}/systems/{system}/{setting}/index.faiss",
    log:
        "logs/{dataset}/{system}/{setting}.log",
    wildcard_constraints:
        system=any_of(given.systems.of_method("ivf-jpq")),
        setting=r"M\d+",
    resources:
        mem_mb=memory(2000, index=2),
        runtime=120,
    params:
        command=command("ivf", lambda w: options(settings.method_settings(w.system, "M"))),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule ann_build:
    input:
        code=lambda w: source_files("search.ann.registry", *searched.library(w.system)),
        docs="data/{dataset}/star/docs.npy",
    output:
        out=directory("data/{dataset}/systems/{system}/index"),
    log:
        "logs/{dataset}/{system}/build.log",
    wildcard_constraints:
        system=any_of(given.systems.of_form(Form.LIBRARY)),
    threads: 1
    resources:
        mem_mb=memory(6000, docs=6),
        runtime=240,
    params:
        command=command(lambda w: given.systems.methods[w.system], searched.library_options),
        files=files,
    shell:
        "{params.command} {params.files} --threads {threads} 2>&1 | tee {log}"


use rule ann_build as ann_build_sized with:
    output:
        out=directory("data/{dataset}/systems/{system}/M{M}/index"),
    log:
        "logs/{dataset}/{system}/M{M}-build.log",
