import sys
from pathlib import Path

sys.path[:0] = [workflow.basedir, f"{workflow.basedir}/src"]
from jointir.methods.facts import PRETRAINED, Form
from workflow.plan import given
from workflow.scripts.alone import lock_folder
from workflow.scripts.command import make_findable
from workflow.scripts.scheduling import no_rate_limit
from workflow.scripts.shell import any_of

# What rules ask is Python, in workflow/plan/: where a file is, what a stage is told, which systems a
# figure shows. Params are read through `config`, which notes who reads what.

make_findable(Path(workflow.basedir))
given.begin(workflow, rules, config)
config = given.config

from workflow.plan.figures import say_left_out

say_left_out()


wildcard_constraints:
    dataset="[a-z0-9-]+",
    encoder=any_of([PRETRAINED, *given.systems.of_form(Form.ENCODER)]),
    system="[a-z0-9+-]+",
    setting=r"flat|hybrid|[A-Za-z_]+\d+(-[a-z]+\d+)?",
    M=r"\d+",
    shard=r"\d+",
    variant="[a-z0-9+-]+",
    seed=r"\d+",
    figure=r"figure\d",
    split="|".join(given.SPLITS),


onstart:
    lock_folder()
    no_rate_limit(workflow)
