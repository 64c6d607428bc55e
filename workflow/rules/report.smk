import sys
from functools import partial

from jointir.basics.errors import InputError
from jointir.report.known import reports
from workflow.plan.datasets import source_files
from workflow.plan.reporting import (
    FILES,
    check_report,
    flags,
    read_by,
    report_command,
    report_output,
)
from workflow.plan.settings import needed

# Figures and tables: a rule for each stage under @report in src/jointir/report/, and named after it.
# Included after the rules whose files they read.


try:
    reports()
except InputError as e:  # in one line, without those of the Snakefile
    sys.exit(str(e))

for _report in reports().values():
    check_report(_report)
    _files = {option: s for option, s in _report.inputs().items() if s in FILES}

    rule:
        name:
            _report.name
        input:
            **{option: partial(read_by, _report, source) for option, source in _files.items()},
            code=source_files(_report.module),
            style=["src/jointir/report/matplotlibrc"] if "png" in _report.options else [],
            made=partial(flags, _report),
            needed=needed(_report.figure, _report.title, *_report.needs),
            beside=[reports()[name].outputs()["out"] for name in _report.beside],
        output:
            **{o: report_output(_report, o, path) for o, path in _report.outputs().items()},
        log:
            f"logs/{_report.command}.log",
        localrule: True  # seconds
        resources:
            mem_mb=_report.mem_mb,
            runtime=10,
        params:
            command=partial(report_command, _report),
        shell:
            "{params.command} 2>&1 | tee {log}"
