"""What a run of Snakemake is given: its params, its systems, and the workflow itself.

`begin` sets it before the first rule is read, and the other modules of this package ask for it.
They answer what rules ask: where a file is, what a stage is told, which systems a figure shows.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from workflow.scripts.params import prepare
from workflow.scripts.reads import Params, forget
from workflow.scripts.systems import Systems

from jointir.methods import known
from jointir.methods.facts import Form

if TYPE_CHECKING:
    from snakemake.common import Rules
    from snakemake.workflow import Workflow

SCHEMA = "workflow/schemas/params.schema.yaml"
SPLITS = ["dev", "test"]  # tuned on dev, reported on test

workflow: "Workflow"
rules: "Rules"  # as the Snakefile has them: rules.opq.output
config: Params  # notes who reads what
systems: Systems
of_figure4: list[str]  # decides which stages there are, and no job of them
datasets: list[str]  # that are run
vectors: list[str]  # of these, without text and encoder: what needs one is left out for them
texts: list[str]  # the others
of_text: str  # the pattern of their names
built: list[str]  # indexes that are fitted after training
joint: list[str]  # indexes that are trained
searched: list[str]  # what `retrieve` searches


def begin(of: "Workflow", its_rules: "Rules", params: dict) -> None:
    """Take the params of a workflow, whose defaults and names are completed in place.

    Raises:
        SystemExit: the params are refused, in one line.
    """
    global workflow, rules, config, systems, of_figure4
    forget()  # a process may read two workflows
    workflow, rules = of, its_rules
    systems = prepare(params, Path(of.basedir, SCHEMA))
    of_figure4, config = params["figure4"]["systems"], Params(params)
    _tell_apart()


def _tell_apart() -> None:
    """Tell datasets and systems apart by what they are."""
    global datasets, vectors, texts, of_text, built, joint, searched
    datasets = config["figure4"]["datasets"]
    vectors = [d for d in datasets if config["datasets"][d]["kind"] == "vectors"]
    texts = [d for d in datasets if d not in vectors]
    of_text = rf"(?!(?:{'|'.join(vectors)})/)[a-z0-9-]+" if vectors else "[a-z0-9-]+"
    indexes = systems.of_form(Form.INDEX)
    built = [s for s in indexes if systems.methods[s] in known.fitted()]
    joint = [s for s in indexes if systems.facts(s).trains]
    searched = systems.of_form(Form.ENCODER, Form.EXACT, Form.INDEX, Form.LIBRARY)
