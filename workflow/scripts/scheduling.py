"""What Snakemake's scheduler is told: how much memory a job asks for, and when to look for jobs."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

DEFAULT = (100, 1)  # jobs, seconds: what --max-jobs-per-timespan is where nobody sets it


def no_rate_limit(workflow: "Workflow") -> None:
    """Lift Snakemake's default limit of 100 jobs a second; another one stays.

    It then looks for jobs to start when one has ended, not many times a second. For the limit's
    sake each look at the ready jobs plans another one a second later, and each job that ends adds
    a look: after a hundred jobs, a hundred a second, each of which asks for the size of every
    ready job's inputs (9.27; Snakemake's issues 200 and 3804). In two hours of 260 jobs that was
    870 seconds of a core (reports/LOG.md, 2026-11-23).
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == DEFAULT:
        workflow.scheduler.job_rate_limiter = None


def memory(mb: float, **held: float) -> Callable[[Mapping, Mapping], int]:
    """Return the MB that a job asks for: its own, and as often as `held` says the bytes of inputs.

    `held` names inputs, files or folders, that are in memory or grow with what is. Of an input that
    is not there yet, asking is an error, by which Snakemake knows to ask again.
    """

    def needed(wildcards: Mapping, input: Mapping) -> int:
        return mb + math.ceil(sum(n * _size(input[name]) for name, n in held.items()) / 1e6)

    return needed


def _size(named: str | list[str]) -> int:
    paths = map(Path, [named] if isinstance(named, str) else named)
    files = (f for p in paths for f in (p.rglob("*") if p.is_dir() else [p]))
    return sum(f.stat().st_size for f in files)
