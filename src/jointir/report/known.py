"""Which figures and tables there are: each stage of this folder that stands under `@report(...)`.

What it says is read from the text of its file: to import the file would import pandas. So its
values have to be literals.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jointir.basics.errors import InputError

FOLDER = Path(__file__).parent
# a stage from its decorator on to the end of its signature
DECORATED = re.compile(r"^@report\(.*?^def .*?\) -> None:$", re.DOTALL | re.MULTILINE)
# what is written where `writes` names no other place, by the option
WRITTEN = {"out": "pdf", "png": "png", "csv": "csv", "md": "md", "tex": "tex"}


@dataclass(frozen=True, kw_only=True)
class Report:
    """A figure or table: what its signature and its decorator say.

    name: of the function, and of the rule. module: without the package's name.
    options: of the stage, in their order. Those of WRITTEN and `writes` are files that it writes.
    The others are what it reads: each names one of FILES or VALUES in workflow/rules/report.smk.
    stage: of DVC, which makes it.
    figure: whose systems it shows, with their settings: a section of params/reports.yaml.
    category: of the PDF in Snakemake's report, which has none of those without a category.
    reads: {option: of FILES or VALUES}, where the two names differ.
    writes: {option: path}, where it is not reports/NAME with the ending of WRITTEN.
    needs: systems that `figure` has to show.
    optional: its stage leaves it out where one of these is not shown.
    beside: reports that are made, too, for whoever asks for this one.
    prints: the one of these whose text is printed at the end.
    mem_mb: MB of memory that its job asks for.
    """

    name: str
    module: str
    options: tuple[str, ...]
    stage: str
    figure: str = ""
    category: str = ""
    reads: dict[str, str] = field(default_factory=dict)
    writes: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    optional: bool = False
    beside: tuple[str, ...] = ()
    prints: str = ""
    mem_mb: int = 1000

    @property
    def command(self) -> str:
        """The name of the stage on the command line."""
        return self.name.replace("_", "-")

    @property
    def path(self) -> str:
        """Where its file is."""
        return f"src/jointir/{self.module.replace('.', '/')}.py"

    @property
    def title(self) -> str:
        """What an error calls it: "Figure 7" of figure7, "ASI's table 3" of asi_table3."""
        words = re.sub(r"^asi_", "ASI's ", self.name).replace("_", " ")
        return re.sub(r"(?<=[a-z])(?=\d)", " ", words[0].upper() + words[1:])

    def outputs(self) -> dict[str, str]:
        """Return the path of each option that is a file to write."""
        own = {o: f"reports/{self.name}.{end}" for o, end in WRITTEN.items() if o in self.options}
        return own | self.writes

    def inputs(self) -> dict[str, str]:
        """Return what each of the other options reads, by its name in FILES or VALUES."""
        return {o: self.reads.get(o, o) for o in self.options if o not in self.outputs()}


def report(**said: object) -> Callable[[Callable], Callable]:
    """Mark a stage as a figure or table; said: the fields of its Report from `stage` on."""
    return lambda stage: stage


@cache
def reports() -> dict[str, Report]:
    """Return the reports by name.

    Raises:
        InputError: what a decorator says cannot be read, or a name stands twice.
    """
    found: dict[str, Report] = {}
    for path in sorted(FOLDER.glob("*.py")):
        for own in _reports(path) if path != Path(__file__) else ():
            if own.name in found:
                other = f"{found[own.name].module} has another report {own.name!r}"
                raise InputError(_where(path), other, "Choose another name")
            found[own.name] = own
    return found


def _reports(path: Path) -> Iterator[Report]:
    """Yield the reports of a module."""
    text = path.read_text(encoding="utf-8")
    parts = DECORATED.findall(text)
    try:
        if len(parts) != len(re.findall(r"^@report\b", text, re.MULTILINE)):
            raise ValueError("@report(...) is not followed by `def NAME(...) -> None:`")
        for part in parts:
            (stage,) = ast.parse(f"{part} ...").body
            ((said,), options) = stage.decorator_list, [a.arg for a in stage.args.args]
            told = {one.arg: ast.literal_eval(one.value) for one in said.keywords}
            module = f"report.{path.stem}"
            yield Report(name=stage.name, module=module, options=tuple(options), **told)
    except (SyntaxError, TypeError, ValueError) as e:
        found = f"its @report cannot be read, {e}".splitlines()[0]
        raise InputError(_where(path), found, "docs/extending.md has an example") from e


def _where(path: Path) -> str:
    return f"src/jointir/report/{path.name}"
