"""What a training is given beside its settings: files, and how it is measured on dev."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from jointir.basics.settings import Checked, Option


@dataclass(frozen=True)
class Files:
    """What a training of query encoder and index reads, and what it writes.

    The last two are given to a method that reads them: `reads` of its FACTS.
    """

    collection: Annotated[Path, "folder that a corpus stage wrote"]
    encoder: Annotated[Path, "folder of the encoder that the training starts from"]
    index: Annotated[Path, "the faiss index that the training starts from"]
    out_index: Annotated[Path, "the faiss index that is written"]
    out_encoder: Annotated[Path, "the query encoder's folder that is written"]
    scratch: Annotated[Path, "folder of the checkpoint that a killed training resumes from"]
    docs: Annotated[Path | None, "the documents' embeddings by `encoder`, float[N, D]"] = None
    teacher: Annotated[Path | None, "those of the train queries, float[T, D]"] = None


@dataclass(frozen=True)
class QueryOptions(Checked):
    """The queries that a trained query encoder embeds for its index, and how: as `embed` does."""

    out_queries: Annotated[Path | None, "an .npy file that gets them, float[Q, D]"] = None
    split: Annotated[list[str], "a split of theirs"] = field(default_factory=list)
    batch_tokens: Annotated[int, Option("padded, of a batch", least=1)] = 1024
    dtype: Annotated[str, Option("of the file", among=("float16", "float32"))] = "float16"
    precision: Annotated[
        str, Option("auto: bfloat16 where the hardware has it", among=("auto", "float32"))
    ] = "auto"


@dataclass(frozen=True)
class EncoderFiles:
    """What a training of an encoder reads, and what it writes; the last two as those of `Files`."""

    collection: Annotated[Path, "folder that a corpus stage wrote"]
    encoder: Annotated[Path, "folder of the encoder that the training starts from"]
    out: Annotated[Path, "the encoder's folder that is written"]
    scratch: Annotated[Path, "folder of the checkpoint that a killed training resumes from"]
    docs: Annotated[Path | None, "the documents' embeddings by `encoder`, float[N, D]"] = None
    teacher: Annotated[Path | None, "folder of the model whose scores it learns"] = None


@dataclass(frozen=True)
class RankerFiles:
    """What a ranker reads: the last three where it is trained, or its FACTS or entry say so."""

    collection: Annotated[Path, "folder that a corpus stage wrote"]
    model: Annotated[Path | None, "folder of the model, of a ranker that is trained"] = None
    docs: Annotated[
        Path | None, "the documents' embeddings by the encoder that ranks anew, float[N, D]"
    ] = None
    generated: Annotated[
        Path | None, "queries of the expand stage, which documents have behind their text"
    ] = None


@dataclass(frozen=True)
class RankerOptions(Checked):
    """What every ranker is told beside its settings."""

    k: Annotated[int, Option("documents a query of a run", least=1)] = 100
    measure: Annotated[
        str, "of ir-measures: by whose mean on dev settings are chosen, where some are tried"
    ] = "RR@10"
    batch_tokens: Annotated[int, Option("padded, of a batch of texts", least=1)] = 1024


@dataclass(frozen=True)
class DevOptions(Checked):
    """How a training measures dev on its way, to keep the best of its weights (`Validation`)."""

    out_curve: Annotated[Path | None, "a CSV file that gets what was measured on dev"] = None
    dev_measures: Annotated[
        list[str], "of ir-measures: dev's mean in the first tells what to keep, none may lose"
    ] = field(default_factory=lambda: ["RR@10"])
    validate_every: Annotated[
        int, Option("steps between measurements; 0: none, keep the last weights", least=0)
    ] = 0
    patience: Annotated[
        int, Option("measurements without a new best that end it; 0: none do", least=0)
    ] = 0
    dev_queries: Annotated[
        int, Option("queries of dev at most, drawn by a hash of their ids", least=1)
    ] = 1000


@dataclass(frozen=True)
class SampleOptions(DevOptions):
    """The same for an encoder of documents, which ranks a sample of them.

    To embed the whole corpus again would cost more than the training.
    """

    dev_documents: Annotated[int, Option("documents at most that dev's queries rank", least=1)] = (
        2000
    )


UNMEASURED, UNSAMPLED = DevOptions(), SampleOptions()  # as long as nobody asks for it
UNEMBEDDED = QueryOptions()
