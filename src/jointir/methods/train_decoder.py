"""The settings by which ASI's decoder, and those of other methods, learn the final identifiers."""

from dataclasses import dataclass
from typing import Annotated

from jointir.basics.errors import InputError
from jointir.basics.settings import Option
from jointir.methods.shared import Holdout, Trained

EMBEDDINGS, RANDOM = "embeddings", "random"  # what the decoder's vectors start from


@dataclass(frozen=True, kw_only=True)
class Settings(Trained):
    """Of a training; `holdout` and `seed` are those of the model's own."""

    steps: Annotated[int, Option("batches trained on", least=1)]
    batch: Annotated[int, Option("examples: queries, sentences, and otherwise documents", least=2)]
    queries: Annotated[int, Option("of a batch, train queries", least=0)]
    sentences: Annotated[
        int, Option("of a batch, sentences of documents, embedded as queries", least=0)
    ]
    moved: Annotated[
        float,
        Option(
            "the most of the way, from another relevant document to its query, by which a"
            " document's embedding moves; 0: it stays",
            least=0,
            most=1,
        ),
    ]
    nearby: Annotated[
        float,
        Option(
            "weight of the documents near an example in its targets; 0: its own document alone",
            least=0,
            most=1,
        ),
    ]
    scale: Annotated[
        float,
        Option(
            "factor on the inner products that say how near, which are divided by the encoder's"
            " mean squared norm",
            above=0,
        ),
    ]
    vectors: Annotated[
        str,
        Option(
            "what the vectors of tokens start from: the documents' embeddings, or random ones",
            among=(EMBEDDINGS, RANDOM),
        ),
    ]
    general: Annotated[
        float,
        Option(
            "share of the steps, the first, that learn from documents as they are and from their"
            " sentences alone (Ultron's general pretraining)",
            least=0,
            most=1,
        ),
    ]
    search: Annotated[
        float,
        Option(
            "share of the steps, the next, that learn from moved documents alone (Ultron's"
            " search-oriented pretraining); the steps after these two learn from train queries"
            " alone; 0 for both: all learn from all",
            least=0,
            most=1,
        ),
    ]
    dropout: Annotated[
        float,
        Option(
            "share of the embedding's components that the decoder does not see", least=0, below=1
        ),
    ]
    consistency: Annotated[
        float,
        Option(
            "weight of the symmetric KL divergence of two passes with `dropout` (NCI); 0: one pass",
            least=0,
        ),
    ]
    holdout: Holdout

    def __post_init__(self) -> None:
        """Check each field, and those that depend on each other.

        Raises:
            InputError: it names the option, as the command line has it.
        """
        super().__post_init__()
        if self.queries + self.sentences > self.batch:
            found = f"{self.queries} and {self.sentences} sentences of a batch of {self.batch}"
            raise InputError("--queries", found, "Choose fewer, or a larger batch")
        if self.general + self.search > 1:
            found = f"{self.search} after {self.general} of the steps"
            raise InputError("--search", found, "Choose shares of which the sum is at most 1")
        if self.consistency and not self.dropout:
            found = f"{self.consistency} of two passes that are the same"
            raise InputError("--consistency", found, "Set a dropout above 0, or 0 here")
