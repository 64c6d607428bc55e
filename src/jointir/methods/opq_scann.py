"""ScaNN after the rotation of OPQ."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.settings import Option
from jointir.methods import scann
from jointir.methods.facts import Facts, Form

FACTS = Facts(Form.LIBRARY, library="scann")


@dataclass(frozen=True, kw_only=True)
class Settings(scann.Settings):
    """Those of ScaNN's codes, and of the rotation."""

    iterations: Annotated[int, Option("alternations of rotation and codebooks", least=1)]
    sample: Annotated[int, Option("documents that training sees; 0: all", least=0)]


def searcher() -> type:
    """Return the `Searcher` of its indexes."""
    from jointir.search.ann.with_scann import OPQScaNN

    return OPQScaNN


def documents_needed(settings: Settings, D: int) -> int:
    """Return the documents that training takes at least: ScaNN's, and D for the rotation.

    Raises:
        InputError: ScaNN's codes do not fit D dimensions.
    """
    return max(scann.documents_needed(settings, D), D)
