"""The settings of IVF-JPQ: JPQ's codes in inverted lists."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Checked, Option
from jointir.methods.facts import Facts, Form
from jointir.methods.shared import Seed

FACTS = Facts(Form.INDEX, {"start": ("jpq",)}, bits=(8,))


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Of an index."""

    nlist: Annotated[int, Option("lists; not more than documents", least=1)]
    iterations: Annotated[
        int, Option("of the spherical k-means that finds the lists' centroids", least=1)
    ] = 20
    seed: Seed = 0
