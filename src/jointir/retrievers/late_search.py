"""ColBERT's search: rank every document for every query by late interaction.

Exhaustive, and so exact: ColBERT's own search takes candidates from an approximate index of token
embeddings first. Documents are embedded chunk by chunk and scored at once, so that memory does not
grow with N; what an index of them would weigh is counted. Not by sentence-transformers' maxsim,
which pads the queries: they are short but for a few, and that would double the work.
"""

from collections.abc import Iterator

import numpy as np
import torch

from jointir.basics.progress import progress
from jointir.data.store import document_texts, read_corpus
from jointir.encode.embed import batches
from jointir.encode.encoder import best_device
from jointir.encode.precision import autocast, has_bf16
from jointir.methods.arguments import RankerFiles, RankerOptions
from jointir.methods.colbert import Search
from jointir.retrievers.late import LateInteraction
from jointir.search.ranker import Ranker

CHUNK = 128  # documents scored at a time
BLOCK = 2**21  # products of a query's and a document's token held at a time: they fit in a cache
TOKEN_BYTES = 2  # of a number in the index: float16, as ColBERT's authors store it


def packed(
    model: LateInteraction, texts: list[list[int]], kind: str, batch_tokens: int, bf16: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float[T, dim], the tokens that count of all texts, and int64[n], how many each has."""
    parts: list[torch.Tensor] = [torch.empty(0)] * len(texts)
    for rows in batches([len(t) for t in texts], batch_tokens):
        with autocast(model.device, bf16):
            embedded, counts = model([texts[i] for i in rows], kind)
        for i, own, mask in zip(rows, embedded.float(), counts, strict=True):
            parts[i] = own[mask]
    return torch.cat(parts), torch.tensor([len(p) for p in parts], device=model.device)


def padded(flat: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return float[n, T, dim]: each text's tokens, the first of them repeated up to the longest.

    A repeated token changes no maximum, so that no mask is needed.
    """
    ends = lengths.cumsum(0)
    steps = torch.arange(int(lengths.max()), device=flat.device)
    within = torch.where(steps < lengths[:, None], steps, 0)  # [n, T]
    return flat[(ends - lengths)[:, None] + within]


def scores(queries: torch.Tensor, lengths: torch.Tensor, docs: torch.Tensor) -> torch.Tensor:
    """Return s(q, d), float[Q, c], of packed queries and padded documents float[c, T, dim]."""
    c, T, dim = docs.shape
    flat = docs.transpose(0, 1).reshape(T * c, dim).T  # so that a maximum is one of whole rows
    step = max(1, BLOCK // (T * c))
    # one block for all: where each is allocated anew, those freed lie too scattered to be used
    products = torch.empty(step, T * c, device=docs.device)
    best = torch.empty(len(queries), c, device=docs.device)
    for part, out in zip(queries.split(step), best.split(step), strict=True):
        found = torch.mm(part, flat, out=products[: len(part)])
        torch.amax(found.view(-1, T, c), 1, out=out)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=docs.device), lengths)
    return torch.zeros(len(lengths), c, device=docs.device).index_add_(0, owner, best)


def chunks(lengths: list[int], size: int) -> Iterator[list[int]]:
    """Yield rows in chunks of `size`, texts of like length together."""
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    for at in range(0, len(order), size):
        yield order[at : at + size]


@torch.inference_mode()
def search(
    model: LateInteraction, queries: list[str], docs: list[str], k: int, batch_tokens: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return scores float32[Q, k] and rows int64[Q, k], best first, and the index's tokens."""
    bf16 = has_bf16(model.device)
    asked = model.tokenize(queries, "query")
    flat, lengths = packed(model, asked, "query", batch_tokens, bf16)
    tokens = model.tokenize(docs, "document")
    best = torch.empty(len(queries), 0, device=model.device)
    found = torch.empty(len(queries), 0, dtype=torch.long, device=model.device)
    total = 0
    plan = list(chunks([len(t) for t in tokens], CHUNK))
    for rows in progress(plan, "late interaction", unit="chunks"):
        own, sizes = packed(model, [tokens[i] for i in rows], "document", batch_tokens, bf16)
        total += len(own)
        values = torch.cat([best, scores(flat, lengths, padded(own, sizes))], 1)
        here = torch.tensor(rows, device=model.device).expand(len(queries), -1)
        here = torch.cat([found, here], 1)
        best, keep = values.topk(min(k, values.shape[1]), dim=1)
        found = here.gather(1, keep)
    return best.cpu().numpy(), found.cpu().numpy(), total


class LateSearch(Ranker):
    """A `colbert` model over a collection's documents, which are embedded while they are searched.

    The bytes are those of an index that holds every token's embedding in float16 and where each
    document's begin.
    """

    def __init__(self, files: RankerFiles, settings: Search, options: RankerOptions):
        """Load the model.

        Raises:
            InputError: the folder holds no such model.
        """
        corpus, self.options, self.tokens = read_corpus(files.collection), options, 0
        self.doc_ids, self.docs = corpus["doc_id"].to_numpy(object), document_texts(corpus)
        self.model = LateInteraction.load(files.model).to(best_device()).eval()
        self.dim = len(self.model.projection)

    def search(self, queries: list[str], k: int) -> tuple[np.ndarray, np.ndarray]:
        """Return str[Q, k] document ids and float32[Q, k] scores."""
        tokens = self.options.batch_tokens
        scored, rows, self.tokens = search(self.model, queries, self.docs, k, tokens)
        return self.doc_ids[rows], scored

    def size(self) -> dict[str, int]:
        """Return the bytes of an index of what the last search embedded."""
        return {"codes": TOKEN_BYTES * self.dim * self.tokens, "ids": 8 * len(self.docs)}
