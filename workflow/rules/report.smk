import sys
from functools import partial

from jointir.basics.errors import InputError
from jointir.report.known import reports
from workflow.plan.command import command, files
from workflow.plan.datasets import source_files
from workflow.plan.reporting import (
    FILES,
    beside,
    check_report,
    flags,
    prints,
    read_by,
    report_output,
    report_values,
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
            made=partial(flags, _report),
            checked=needed(_report.figure, _report.title, *_report.needs),
            beside=beside(_report),
        output:
            **{o: report_output(_report, o, path) for o, path in _report.outputs().items()},
        log:
            f"logs/{_report.command}.log",
        localrule: True  # seconds
        resources:
            mem_mb=_report.mem_mb,
            runtime=10,
        params:
            command=command(_report.command, partial(report_values, _report)),
            files=files,
            prints=prints(_report),
        shell:
            "({params.command} {params.files} {params.prints}) 2>&1 | tee {log}"
