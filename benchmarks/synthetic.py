"""Synthetic inputs of any size for `corpus_scale.py`: a collection, an encoder, embeddings.

Only times, bytes and memory mean something here, not what is found: texts are random words, as
long as MS MARCO's passages, the encoder has BERT-base's shape and random weights, and embeddings
are the clustered vectors of the `scaling` stage. Everything is made chunk by chunk.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from jointir.basics.files import write_json
from jointir.data.dataset import Dataset, text_frame, text_frames, write_dataset
from jointir.data.store import content_hash, qrels_frame
from jointir.encode.encoder import DualEncoder
from jointir.measure.ladder import CHUNK, DOCUMENTS, QUERIES, vectors

D = 768
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LENGTHS = {"query": 32, "document": 256}  # tokens, as the preset of MS MARCO passage has them
PHRASE, PHRASES = 19, 50_000  # words of one, and how many there are: a document is three of them
SEED = 1


def words() -> list[str]:
    """Return 30,000 words of 2 to 9 letters."""
    rng = np.random.default_rng([SEED, 0])
    letters = rng.integers(97, 123, (30_000, 9), dtype=np.uint8)
    lengths = rng.integers(2, 10, 30_000)
    return sorted({bytes(w[:n]).decode() for w, n in zip(letters, lengths, strict=True)})


def phrases() -> np.ndarray:
    """Return object[PHRASES]: about 110 characters each."""
    vocabulary = np.array(words(), object)
    drawn = np.random.default_rng([SEED, 1]).integers(0, len(vocabulary), (PHRASES, PHRASE))
    return np.array([" ".join(row) for row in vocabulary[drawn]], object)


def documents(N: int) -> Iterator[tuple[str, str, str]]:
    """Yield doc_id, title and text, about 335 bytes, of N documents."""
    parts = phrases()
    for at in range(0, N, CHUNK):
        rng = np.random.default_rng([SEED, 2, at])
        drawn = rng.integers(0, PHRASES, (min(CHUNK, N - at), 3))
        for i, (a, b, c) in enumerate(parts[drawn].tolist(), at):
            yield f"d{i}", "", f"{a} {b} {c}"


def write_collection(out: Path, N: int, counts: dict[str, int]) -> None:
    """Write N documents and `counts` queries by split, each with one relevant document.

    What the corpus stages do with a source: validate it, write it, hash it.
    """
    rng, vocabulary = np.random.default_rng([SEED, 3]), np.array(words(), object)
    queries, judged = [], []
    for split, count in counts.items():
        drawn = vocabulary[rng.integers(0, len(vocabulary), (count, 6))]
        for i, (row, d) in enumerate(zip(drawn, rng.integers(0, N, count), strict=True)):
            queries.append((f"{split}{i}", " ".join(row), split))
            judged.append((f"{split}{i}", f"d{d}", 1, split))
    corpus = text_frames(documents(N), ["doc_id", "title", "text"])
    frame = text_frame(queries, ["query_id", "text", "split"])
    qrels = qrels_frame(judged, ["query_id", "doc_id", "relevance", "split"])
    write_dataset(Dataset(corpus, frame, qrels), out, "synthetic")
    content_hash(out)


def write_encoder(out: Path, layers: int) -> None:
    """Write an encoder of BERT-base's width and random weights; a word is a token."""
    vocab = {word: i for i, word in enumerate(SPECIAL + words())}
    raw = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    bert = out.parent / "bert"
    BertModel(BertConfig(vocab_size=len(vocab), num_hidden_layers=layers)).save_pretrained(bert)
    PreTrainedTokenizerFast(tokenizer_object=raw, **names).save_pretrained(bert)
    parts = [modules.Transformer(str(bert)), modules.Pooling(D), modules.Normalize()]
    DualEncoder(SentenceTransformer(modules=parts, device="cpu"), LENGTHS).save(out)


def write_vectors(out: Path, n: int, kind: int) -> None:
    """Write n vectors as the `embed` stage leaves them: float16[n, D] and its facts.

    A file that is there and has this shape is written over in place: it takes no second space.
    """
    there = out.is_file() and np.load(out, mmap_mode="r").shape == (n, D)
    options = {"mode": "r+"} if there else {"mode": "w+", "dtype": "f2", "shape": (n, D)}
    matrix, at = np.lib.format.open_memmap(out, **options), 0
    for some in vectors(n, D, SEED, kind):
        matrix[at : at + len(some)] = some
        at += len(some)
    facts = {"dim": D, "dtype": "float16", "kind": "document", "normalized": True}
    write_json(out.with_suffix(".json"), facts | {"encoder": "synthetic"})


def main() -> None:
    """Write one of them; `corpus_scale.py` asks for each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["collection", "encoder", "documents", "queries"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--n", type=int, default=0, help="documents, or queries")
    parser.add_argument("--train", type=int, default=0, help="training queries")
    parser.add_argument("--dev", type=int, default=0, help="development queries")
    parser.add_argument("--layers", type=int, default=12)
    o = parser.parse_args()
    if o.what == "collection":
        write_collection(o.out, o.n, {"train": o.train, "dev": o.dev})
    elif o.what == "encoder":
        write_encoder(o.out, o.layers)
    else:
        write_vectors(o.out, o.n, DOCUMENTS if o.what == "documents" else QUERIES)


if __name__ == "__main__":
    main()
