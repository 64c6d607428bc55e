from workflow.plan import given, settings
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files
from workflow.scripts.scheduling import memory
from workflow.scripts.shell import any_of, options


rule build:
    input:
        code=lambda w: source_files(
            "search.build", settings.module_of(given.systems.methods[w.system])
        ),
        docs="data/{dataset}/star/docs.npy",
    output:
        out="data/{dataset}/systems/{system}/M{M}/index.faiss",
    log:
        "logs/{dataset}/{system}/M{M}-build.log",
    wildcard_constraints:
        system=any_of(given.built),
    priority: 5  # jpq waits for opq
    threads: 1
    resources:
        mem_mb=memory(3000, docs=0.1),
        runtime=240,
    params:
        command=command(
            lambda w: given.systems.methods[w.system],
            lambda w: options(settings.method_settings(w.system, "M")),
            M="{M}",
        ),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"


rule brute_force:
    input:
        code=source_files("search.build", "methods.brute_force"),
        docs="data/{dataset}/{encoder}/docs.npy",
    output:
        out="data/{dataset}/{encoder}/flat.faiss",
    log:
        "logs/{dataset}/{encoder}/brute-force.log",
    resources:
        mem_mb=memory(2000, docs=2),
        runtime=60,
    params:
        command=command("brute-force"),
        files=files,
    shell:
        "{params.command} {params.files} 2>&1 | tee {log}"
