"""The dual encoder: one transformer that embeds queries and documents for inner product search."""

from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dropout, Normalize
from transformers import PreTrainedModel
from transformers.utils import logging

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, read_json, write_json
from jointir.basics.progress import say
from jointir.encode import checks
from jointir.encode.fit import check_missing
from jointir.encode.packed import can_pack, embed_packed
from jointir.encode.prompts import choose_prompts
from jointir.encode.source import folder_of
from jointir.encode.weights import DAMAGED, load_original, load_saved

SETTINGS = "jointir.json"  # beside the sentence-transformers files, which have one length for both
logging.disable_progress_bar()  # the stages have their own


def best_device() -> torch.device:
    """Return the CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Tokens(list[int]):
    """The token ids of a text, and of which kind it is: some modules treat the kinds unlike."""

    def __init__(self, ids: list[int], kind: str):
        super().__init__(ids)
        self.kind = kind


def kind_of(tokens: list[Tokens]) -> str | None:
    """Return the kind of the texts of a batch; None for token ids that `tokenize` did not make."""
    return getattr(tokens[0], "kind", None)


class DualEncoder(torch.nn.Module):
    """f of eq. 1 in the JPQ paper: text to an embedding in R^D.

    Stands on SentenceTransformer for pooling, normalization and the file format; adds a length
    limit for each of the two kinds of text, which have a prompt each.
    """

    def __init__(self, model: SentenceTransformer, max_length: dict[str, int]):
        super().__init__()
        self.model, self.max_length = model, max_length

    @classmethod
    def load(cls, folder: Path) -> "DualEncoder":
        """Load what `save` wrote.

        Raises:
            InputError: the folder is not one of this project's encoders, or is damaged.
        """
        if not (folder / SETTINGS).is_file():
            remedy = "Make it with `jointir checkpoint`"
            raise InputError(folder, f"holds no {SETTINGS}", remedy)
        about, model = read_json(folder / SETTINGS), load_saved(SentenceTransformer, folder)
        if "max_length" not in about:
            raise InputError(folder / SETTINGS, "has no max_length", DAMAGED)
        return cls(model, about["max_length"])

    @property
    def dim(self) -> int:
        """D, the number of dimensions of an embedding."""
        return int(self.model.get_embedding_dimension())

    @property
    def normalized(self) -> bool:
        """Whether every embedding has length 1; sentence-transformers cuts dimensions off last."""
        return isinstance(self.model[-1], Normalize) and self.model.truncate_dim is None

    def tokenize(self, texts: list[str], kind: str) -> list[Tokens]:
        """Return the token ids of each text with its kind's prompt, cut to its kind's length."""
        prompt = self.model.prompts.get(kind) or ""
        # lone surrogates cannot reach the tokenizer, which wants UTF-8
        clean = [(prompt + t).encode("utf-8", "replace").decode() for t in texts]
        options = {"truncation": True, "max_length": self.max_length[kind]}
        found = self.model.tokenizer(clean, return_attention_mask=False, **options)["input_ids"]
        return [Tokens(ids, kind) for ids in found]

    def forward(self, tokens: list[Tokens]) -> torch.Tensor:
        """Embed a batch: token ids of B texts of one kind to float[B, D], in their order."""
        embedded = self._outputs(tokens, ["sentence_embedding"], kind_of(tokens))[0]
        return embedded[:, : self.model.truncate_dim]

    def padded(self, tokens: list[Tokens]) -> torch.Tensor:
        """Embed a batch as `forward` does where texts cannot be packed."""
        embedded = self._padded(tokens, ["sentence_embedding"], kind_of(tokens))[0]
        return embedded[:, : self.model.truncate_dim]

    def _outputs(
        self, tokens: list[Tokens], names: list[str], kind: str | None
    ) -> list[torch.Tensor]:
        """Return outputs of the model for token ids of B texts, tensors of [B, ...] in their order.

        On a CPU, texts of unlike lengths are packed, where the model is of a kind that can be: a
        batch of 32 queries that holds one long query would otherwise be mostly padding.
        """
        uneven = len({len(t) for t in tokens}) > 1
        if uneven and self.device.type == "cpu" and can_pack(self.model):
            left_out = self._left_out(kind)
            return embed_packed(self.model, tokens, names, left_out, **_task(kind))
        return self._padded(tokens, names, kind)

    def _padded(
        self, tokens: list[Tokens], names: list[str], kind: str | None
    ) -> list[torch.Tensor]:
        padded = self.model.tokenizer.pad({"input_ids": tokens}, return_tensors="pt")
        features = {k: v.to(self.device) for k, v in padded.items()}
        if left_out := self._left_out(kind):
            features["prompt_length"] = left_out
        features = self.model(features, **_task(kind))
        return [features[name] for name in names]

    def _left_out(self, kind: str | None) -> int:
        """Return how many tokens of its kind's prompt a text's pooling leaves out.

        As sentence-transformers counts them: with what the tokenizer puts before a text, without
        what it puts behind.
        """
        prompt = self.model.prompts.get(kind or "")
        if not prompt or all(getattr(m, "include_prompt", True) for m in self.model.modules()):
            return 0
        ids = self.model.tokenizer(prompt)["input_ids"]
        return len(ids) - (ids[-1] in self.model.tokenizer.all_special_ids)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def fix_words(self) -> None:
        """Let no training change the word embeddings; the other weights learn as before."""
        for module in self.model.modules():
            if isinstance(module, PreTrainedModel):
                module.get_input_embeddings().requires_grad_(False)

    def save(self, out: Path, kind: str = "document") -> None:
        """Write a folder that SentenceTransformer loads too (safetensors), atomically.

        There, encode_query and encode_document embed texts of their kind exactly as this project
        does, and plain encode those of `kind`: its length, its prompt.
        """
        with atomic(out) as scratch:
            self.model.max_seq_length = self.max_length[kind]
            self.model[0].query_length = self.max_length["query"]
            self.model[0].document_length = self.max_length["document"]
            self.model.default_prompt_name = kind if self.model.prompts.get(kind) else None
            self.model.save(str(scratch), create_model_card=False)
            write_json(scratch / SETTINGS, {"max_length": self.max_length, "dim": self.dim})


def _task(kind: str | None) -> dict[str, str]:
    """Return what modules that treat queries and documents unlike, such as Router, must know."""
    return {"task": kind} if kind else {}


def checkpoint(
    checkpoint: str,
    out: Path,
    query_max_length: int,
    document_max_length: int,
    query_prompt: str | None = None,
    document_prompt: str | None = None,
    dropout: bool = True,
) -> None:
    """Import any transformers or sentence-transformers checkpoint as the encoder to start from.

    A plain transformers checkpoint gets sentence-transformers' default, mean pooling. Weights are
    float32, whatever the file has. query_prompt, document_prompt: put before every text; "" is
    none, and without one the model's own is used. dropout: whether trainings that start from it
    have the dropout of its configuration, or none.

    Raises:
        InputError: the checkpoint cannot be found or loaded, lacks weights or has them in another
            format than safetensors, is of a kind that this project does not know, embeds otherwise
            than with sentence-transformers, or has no room for the lengths and prompts.
    """
    source = str(folder_of(checkpoint) or checkpoint)
    model, fit = load_original(source)
    checks.check_parts(model, source)
    lengths = {"query": query_max_length, "document": document_max_length}
    given = {"query": query_prompt, "document": document_prompt}
    checks.check_lengths(model, lengths)
    prompts = choose_prompts(model, given)
    checks.check_prompts(model.tokenizer, prompts, lengths)
    checks.mend_padding(model.tokenizer, source)
    model[0].query_length = model[0].document_length = None
    texts = {kind: checks.sample_texts(model.tokenizer, n) for kind, n in lengths.items()}
    right = {k: checks.expected(model, texts[k], k, given[k], lengths[k]) for k in texts}
    checks.check_dimension(model, right)
    model.prompts = prompts
    check_missing(fit, DualEncoder(model, lengths), texts)
    if not dropout:
        turn_off_dropout(model)
    with atomic(out) as scratch:
        DualEncoder(model, lengths).save(scratch)
        encoder = DualEncoder.load(scratch)
        for kind, embeddings in right.items():
            checks.check_embeddings(encoder, texts[kind], kind, embeddings)
    _describe(encoder)


def _describe(encoder: DualEncoder) -> None:
    """Say what the embeddings are, and whether the model means them to be compared otherwise."""
    length = "of length 1" if encoder.normalized else "not normalized"
    say(f"encoder: embeddings of D = {encoder.dim} dimensions, {length}")
    name = encoder.model.similarity_fn_name
    same = ("dot", "cosine", "euclidean") if encoder.normalized else ("dot",)
    if name not in same:
        say(f"encoder: searches rank by inner product, its similarity_fn_name is {name!r}")


def turn_off_dropout(model: SentenceTransformer) -> None:
    """Set every rate of dropout to 0, in configurations: it is saved with them."""
    for module in model.modules():
        if isinstance(module, Dropout):
            module.dropout = 0.0
        elif isinstance(module, PreTrainedModel):
            for name, rate in module.config.to_dict().items():
                if "drop" in name and isinstance(rate, float):
                    setattr(module.config, name, 0.0)
