"""The command of a rule: a stage, with an option for each setting and for each file.

Snakemake makes a job again when a param is another one, but looks at no param whose function takes
the job's files: these are compared by themselves. So what is set, and what is read and written, are
two params: `command` and `files`.
"""

from collections.abc import Callable

from snakemake.iocontainers import InputFiles, OutputFiles, Wildcards
from workflow.scripts.shell import options, repeat

Told = str | Callable[[Wildcards], str]
# Files that a rule names and no stage is told of: its code, flags, checks of params that are asked
# as inputs, and what lies beside another file, or only decides when to run again.
UNTOLD = ("code", "made", "checked", "beside")


def command(stage: Told, *texts: Told, **settings: object) -> Callable[[Wildcards], str]:
    """Return the function of a param: `jointir STAGE --option value ...`, without its files.

    stage, texts: the stage's name and options as text, or functions of the wildcards that return
    these. settings: values by option, as `options` has them, or functions; in a text that is a
    value, wildcards in braces are replaced.
    """

    def told(wildcards: Wildcards) -> str:
        known = dict(wildcards.items())
        own = {n: v.format(**known) if isinstance(v, str) else v for n, v in settings.items()}
        parts = [_asked(text, wildcards) for text in (stage, *texts)]
        parts.append(options({name: _asked(value, wildcards) for name, value in own.items()}))
        return " ".join(["jointir", *filter(None, parts)])

    return told


def _asked(told: object, wildcards: Wildcards) -> object:
    return told(wildcards) if callable(told) else told


def files(
    wildcards: Wildcards, input: InputFiles, output: OutputFiles, untold: tuple[str, ...] = UNTOLD
) -> str:
    """Return a job's files as options: docs="..." in `input` or `output` of a rule is --docs.

    untold: names that are no options.
    """
    return " ".join(
        repeat(name.replace("_", "-"), [paths] if isinstance(paths, str) else paths)
        for name, paths in (*input.items(), *output.items())
        if name not in untold and paths
    )


def files_but(*names: str) -> Callable[[Wildcards, InputFiles, OutputFiles], str]:
    """Return `files` of a rule some of whose files are told in another way, or not at all."""

    def told(wildcards: Wildcards, input: InputFiles, output: OutputFiles) -> str:
        return files(wildcards, input, output, (*UNTOLD, *names))

    return told
