"""The command of a rule: a stage, with an option for each file and each setting.

A file's name in `input` or `output` is that of its option: docs="..." is told as --docs.
"""

from collections.abc import Callable, Iterable

from snakemake.iocontainers import InputFiles, OutputFiles, Wildcards
from workflow.scripts.shell import options, repeat

Told = str | Callable[[Wildcards], str]
# Files that a rule names and no stage is told of: its code, flags, checks of params that are asked
# as inputs, and what lies beside another file, or only decides when to run again.
UNTOLD = {"code", "made", "checked", "beside"}


def command(stage: Told, *texts: Told, untold: Iterable[str] = (), **settings: object) -> Callable:
    """Return the function of a param that is a job's command: `jointir STAGE --option value ...`.

    stage, texts: the stage's name, and options as text, or functions of the wildcards that return
    these. untold: files, beside UNTOLD, that are no options. settings: values by option, as
    `options` has them, or functions; in a text, wildcards and {threads} are replaced.
    """

    def told(wildcards: Wildcards, input: InputFiles, output: OutputFiles, threads: int) -> str:
        files = [
            repeat(name.replace("_", "-"), [paths] if isinstance(paths, str) else paths)
            for name, paths in (*input.items(), *output.items())
            if name not in {*UNTOLD, *untold}
        ]
        known = {**dict(wildcards.items()), "threads": threads}
        own = {n: v.format(**known) if isinstance(v, str) else v for n, v in settings.items()}
        parts = [_asked(text, wildcards) for text in texts]
        parts.append(options({name: _asked(value, wildcards) for name, value in own.items()}))
        return " ".join(filter(None, [f"jointir {_asked(stage, wildcards)}", *files, *parts]))

    return told


def _asked(told: object, wildcards: Wildcards) -> object:
    return told(wildcards) if callable(told) else told
