from snakemake.utils import min_version

min_version("9.0")


configfile: "params/data.yaml"
configfile: "params/encode.yaml"
configfile: "params/systems.yaml"
configfile: "params/reports.yaml"
configfile: "params/vectors.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/encode.smk"
include: "workflow/rules/expand.smk"
include: "workflow/rules/quantize.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/generative.smk"
include: "workflow/rules/measure.smk"
include: "workflow/rules/vectors.smk"
include: "workflow/rules/speed.smk"
include: "workflow/rules/asi.smk"
include: "workflow/rules/retrievers.smk"
include: "workflow/rules/joint.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/stages.smk"


from workflow.plan.stages import wanted_reports
from workflow.scripts.defaults import complete

complete(workflow)


rule all:
    default_target: True
    input:
        [STAGES[stage].targets() for stage in wanted_reports()],
    localrule: True
