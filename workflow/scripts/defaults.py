"""What every rule has that runs a command, so that no rule has to say it."""

from pathlib import Path

from snakemake.workflow import Workflow

OF_SECONDS = {"mem_mb": 2000, "runtime": 30}  # resources of a rule that is run where Snakemake is


def complete(workflow: Workflow) -> None:
    """Give each rule with a command the project's environment, and a benchmark beside its log.

    And its resources, where it is local: most take seconds. To be called when all rules are
    written; what a rule says itself stays. Snakemake has no default for these, and in every rule
    they were a fifth of its lines.
    """
    environment = str(Path(workflow.basedir, "environment.yml"))
    for rule in [rule for rule in workflow.rules if rule.shellcmd]:
        # private: `is_local` is true of every rule where Snakemake sends no job away
        if rule.name in workflow._localrules:
            for name, value in OF_SECONDS.items():
                rule.resources.setdefault(name, value)
        if not rule.conda_env:
            rule.conda_env = environment
        if not rule.benchmark:
            rule.benchmark_modifier = rule.log_modifier  # how paths of a module are changed
            rule.benchmark = str(rule.log[0]).removesuffix(".log") + ".tsv"
