"""Snakemake's scheduler looks for jobs to start when one has ended, not many times a second."""

from snakemake.workflow import Workflow

DEFAULT = (100, 1)  # jobs, seconds: what --max-jobs-per-timespan is where nobody sets it


def no_rate_limit(workflow: Workflow) -> None:
    """Lift Snakemake's default limit of 100 jobs a second; another one stays.

    For the limit's sake each look at the ready jobs plans another one a second later, and each job
    that ends adds a look: after a hundred jobs, a hundred a second, each of which asks for the
    size of every ready job's inputs (9.27; Snakemake's issues 200 and 3804). In two hours of 260
    jobs that was 870 seconds of a core (reports/LOG.md, 2026-11-23).
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter is not None and (limiter.max_jobs, limiter.timespan) == DEFAULT:
        workflow.scheduler.job_rate_limiter = None
