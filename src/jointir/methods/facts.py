"""What the pipeline has to know of a method: its `FACTS`. No library is imported for it.

A system of params/systems.yaml is a method with settings. What the rules ask of a system is a fact
of its method, never of its name.
"""

from dataclasses import dataclass, field
from enum import StrEnum

PRETRAINED = "pretrained"  # what `start` says of the encoder as it came, which no entry trains


# how a ranker compares, by which ASI's table 1 groups the systems that rank documents
SPARSE, DENSE, GENERATIVE = "words", "vectors", "what a decoder writes"


class Form(StrEnum):
    """What a system is on disk, below data/DATASET/."""

    ENCODER = "a dual encoder"  # SYSTEM/model; brute force searches its embeddings
    EXACT = "brute force"  # over the embeddings of the encoder in `start`
    RANKER = "a ranker"  # reads queries as text; SYSTEM/model where it is trained
    INDEX = "an index"  # systems/SYSTEM/M{M}/index.faiss
    LIBRARY = "an index of a library"  # systems/SYSTEM/index or systems/SYSTEM/M{M}/index
    IDENTIFIERS = "identifiers"  # generative/SYSTEM/seed{seed}, of a dataset of its own


@dataclass(frozen=True)
class Facts:
    """A method's facts.

    references: the settings that name another entry, and the methods that it may have; PRETRAINED
    among them allows the encoder as it came.
    trains: weights of an encoder are trained, and measured on dev on the way.
    shares: several processes may share its training.
    reads: of what is trained, the optional of its files that it reads, each with the conditions of
    which one has to hold; with none it is always read. A condition is the name of a setting, which
    has to be on, or "SETTING=VALUE".
    needs_text: it cannot be made for a dataset that is given as vectors.
    own_documents: of an encoder: it embeds the documents too; otherwise they are those of `start`.
    counts_bits: M is told as the 8M bits that it makes.
    group: what it ranks by; of encoders and indexes always vectors.
    bits: that a code of PQ can have, K = 2^bits centroids; none where it has no such codes.
    library: of an index of a library: the module of the extra `ann` that it needs, "" for faiss.
    search_parameter: of the same: what trades effectiveness for speed when searching, "" for none.
    ranker: of a ranker: MODULE:CLASS of its `Ranker`, below jointir. It is no import, so that an
    edit there trains nothing again.
    rescores: of a ranker: its first documents are ranked again by the encoder in `start`.
    held: of a ranker: how often the bytes of the collection are in memory when it searches.
    """

    form: Form
    references: dict[str, tuple[str, ...]] = field(default_factory=dict)
    trains: bool = False
    shares: bool = False
    reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    needs_text: bool = False
    own_documents: bool = True
    counts_bits: bool = False
    group: str = DENSE
    bits: tuple[int, ...] = ()
    library: str = ""
    search_parameter: str = ""
    ranker: str = ""
    rescores: bool = False
    held: int = 10


DUAL = ("star", "dual", "simcse", "tct-colbert")  # that embed documents and queries


def encoder(
    reads: dict[str, tuple[str, ...]],
    own_documents: bool = True,
    shares: bool = False,
    **references: tuple[str, ...],
) -> Facts:
    """Return the facts of a dual encoder that is trained."""
    own = {"needs_text": True, "own_documents": own_documents}
    return Facts(Form.ENCODER, references, trains=True, shares=shares, reads=reads, **own)
