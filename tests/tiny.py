"""A dual encoder and a collection so small that a test trains on them in seconds."""

import inspect
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as cli.py does, before faiss is loaded

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import faiss
import numpy as np
import pandas as pd
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from jointir.data.dataset import Dataset, write_dataset
from jointir.encode import precision
from jointir.encode.embed import embed
from jointir.encode.encoder import DualEncoder
from jointir.methods import known
from jointir.search import build as module
from jointir.search import ranker
from jointir.train.candidates import Candidates
from jointir.train.checkpoint import Checkpoint
from jointir.train.pairs import TrainingPairs

faiss.omp_set_num_threads(1)
torch.set_num_threads(1)  # operators this small are slower on two, and much slower on a busy one
WORDS = [f"w{i}" for i in range(200)]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query:", "passage:"]
N, D, M = 320, 32, 8
LENGTHS = {"query": 8, "document": 16}
PROMPTS = {"query": "query: ", "document": "passage: "}


class Killed(Exception):
    """A training ends here, as if it were killed."""


@contextmanager
def killed(after: int) -> Iterator[None]:
    """Save every step of the trainings within, and end them right after step `after` is saved."""
    save = Checkpoint.save

    def save_and_die(self: Checkpoint, step: int, *rest: object) -> None:
        self.minutes = 0
        save(self, step, *rest)
        if step == after:
            raise Killed

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Checkpoint, "save", save_and_die)
        yield


def flat(stage: Callable[..., None]) -> Callable[..., None]:
    """Return a stage that takes each of its settings, and of its files, by name.

    As its command does; the first of the files may come by place, too.
    """
    parameters = inspect.signature(stage, eval_str=True).parameters
    folded = {"settings", "files", "options"} & set(parameters)
    kinds = {name: parameters[name].annotation for name in folded}

    def called(*paths: object, **given: object) -> None:
        for name, kind in kinds.items():
            own = {f.name: given.pop(f.name) for f in fields(kind) if f.name in given}
            first, paths = (paths, ()) if name == "files" else ((), paths)
            given[name] = kind(*first, **own)
        stage(*paths, **given)

    return called


def rank(
    method: str,
    collection: Path,
    out: list[Path],
    meta: Path,
    dataset: str = "tiny",
    **given: object,
) -> None:
    """Write a ranker's runs and its facts; files, settings and options by name."""
    stage = flat(ranker.stage(f"rank-{method}"))
    stage(collection, out=out, meta=meta, dataset=dataset, **given)


def build(system: str, docs: Path, out: Path, M: int = 0, **settings: int) -> None:
    """Build an index, its settings by name; those that the method has not are left alone."""
    kind = known.settings(system)
    given = {"M": M, **settings}
    own = {field.name: given[field.name] for field in fields(kind) if field.name in given}
    module.build(system, docs, out, kind(**own))


def embed_train(tiny: "Tiny") -> Path:
    """Embed the train queries by the tiny encoder, as distillation needs them; return the file."""
    out = tiny.collection.parent / "train.npy"
    embed(tiny.collection, tiny.encoder, out, "query", ["train"], dtype="float32")
    return out


def pairs_of(
    never: list[np.ndarray],
    N: int,
    texts: list[str] | None = None,
    among: np.ndarray | None = None,
) -> TrainingPairs:
    """Return pairs whose positives are what is no negative; `among`: all of N rows if None."""
    candidates = Candidates(np.arange(N) if among is None else among, N)
    rows = np.arange(len(never))
    return TrainingPairs(texts or [""] * len(never), never, never, candidates, rows)


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token a word, in BERT's form: [CLS] words [SEP]."""
    vocab = {word: i for i, word in enumerate(SPECIAL + WORDS)}
    raw = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=raw, **names)


def save_encoder(out: Path, seed: int = 0, hidden: int = D, kind: str = "document") -> Path:
    """Write an encoder of random weights: 2 layers, `hidden` dimensions, mean pooling."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": hidden, "intermediate_size": 64, "num_hidden_layers": 2}
    sizes |= {"num_attention_heads": 2, "max_position_embeddings": 32}
    # weights so large that texts differ: with BERT's own 0.02 every embedding is about the same
    config = BertConfig(vocab_size=len(SPECIAL + WORDS), initializer_range=0.3, **sizes)
    bert = out.parent / f"{out.name}-bert"
    BertModel(config).save_pretrained(bert)
    tokenizer().save_pretrained(bert)
    parts = [modules.Transformer(str(bert)), modules.Pooling(hidden), modules.Normalize()]
    model = SentenceTransformer(modules=parts, device="cpu", prompts=PROMPTS)
    DualEncoder(model, LENGTHS).save(out, kind)
    return out


def save_collection(out: Path) -> Path:
    """Write N documents and 60 queries made of their words; every fourth has two relevant ones."""
    rng = np.random.default_rng(0)
    docs = [rng.choice(WORDS, rng.integers(6, 24)).tolist() for _ in range(N)]
    corpus = {
        "doc_id": [f"d{i}" for i in range(N)],
        "title": [" ".join(d[:2]) if i % 3 else "" for i, d in enumerate(docs)],
        "text": [" ".join(d[2:]) for d in docs],
    }
    rows = rng.permutation(N)[:60]
    splits = ["train"] * 40 + ["dev"] * 10 + ["test"] * 10
    texts = [" ".join(rng.choice(docs[r], 4)) for r in rows]
    queries = {"query_id": [f"q{r}" for r in rows], "text": texts, "split": splits}
    pairs = [(f"q{r}", f"d{r}", 1, s) for r, s in zip(rows, splits, strict=True)]
    seconds = zip(rows[::4], splits[::4], strict=True)
    pairs += [(f"q{r}", f"d{(r + 1) % N}", 2, s) for r, s in seconds]
    pairs += [(f"q{rows[1]}", f"d{(rows[1] + 1) % N}", 0, splits[1])]  # judged, not relevant
    qrels = pd.DataFrame(pairs, columns=["query_id", "doc_id", "relevance", "split"])
    write_dataset(Dataset([pd.DataFrame(corpus)], pd.DataFrame(queries), qrels), out, "tiny")
    return out


@dataclass(frozen=True)
class Tiny:
    """The files that stages pass on."""

    collection: Path
    encoder: Path
    docs: Path
    queries: Path
    opq: Path


@contextmanager
def on_processor(instructions: str) -> Iterator[None]:
    """Take the processor for one with these instructions; torch has bfloat16 on any, slow or fast.

    Tests against a float32 reference run with none, on a GPU too: `@on_processor("")`.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "flags", lambda: set(instructions.split()))
        patch.setattr(torch.cuda, "is_bf16_supported", lambda **_: bool(instructions))
        yield


@on_processor("")
def make(folder: Path) -> Tiny:
    """Write collection, encoder, embeddings of documents and of dev and test queries, and OPQ."""
    files = ("collection", "encoder", "docs.npy", "queries.npy", "opq.faiss")
    tiny = Tiny(*(folder / name for name in files))
    save_collection(tiny.collection)
    save_encoder(tiny.encoder)
    embed(tiny.collection, tiny.encoder, tiny.docs, "document", dtype="float32")
    embed(tiny.collection, tiny.encoder, tiny.queries, "query", ["dev", "test"], dtype="float32")
    build("opq", tiny.docs, tiny.opq, M, iterations=2)
    return tiny
