"""What is put before a text: the prompt that the params name, or else the model's own."""

from sentence_transformers import SentenceTransformer

from jointir.basics.errors import InputError
from jointir.basics.progress import say

# the names under which encode_query and encode_document of sentence-transformers look
NAMES = {"query": ("query",), "document": ("document", "passage", "corpus")}


def choose_prompts(model: SentenceTransformer, given: dict[str, str | None]) -> dict[str, str]:
    """Return the prompt of each kind of text, and say which of the model's own are not used.

    given: of each kind the prompt to use, "" for none; None is the model's own, which is the one
    that `encode_query` or `encode_document` of sentence-transformers would put there.

    Raises:
        InputError: a prompt is no text that a tokenizer takes.
    """
    names = {kind: _own_name(model, kind) for kind in given}
    own = {kind: model.prompts.get(name or "") or "" for kind, name in names.items()}
    chosen = {kind: own[kind] if text is None else text for kind, text in given.items()}
    for kind, text in chosen.items():
        _check_text(f"encoder.{kind}_prompt", text)
        if own[kind] and text != own[kind]:
            say(f"encoder.{kind}_prompt: {text!r} in place of the model's own {own[kind]!r}")
    others = sorted(n for n, text in model.prompts.items() if text and n not in names.values())
    if others and None in given.values():
        say(
            f"encoder: the model's prompts {others} are not used: encode_query and encode_document "
            "do not look them up. To use one, set encoder.query_prompt or encoder.document_prompt"
        )
    return chosen


def _own_name(model: SentenceTransformer, kind: str) -> str | None:
    """Return the name of the prompt that sentence-transformers looks up for a kind of text."""
    return next((name for name in NAMES[kind] if name in model.prompts), model.default_prompt_name)


def _check_text(where: str, text: object) -> None:
    if not isinstance(text, str):
        raise InputError(where, f"{text!r} is not a text", "Write a text, or leave it out")
    bad = next((c for c in text if c == "\0" or "\ud800" <= c <= "\udfff"), None)
    if bad:
        found = f"{text!r} has the character {bad!r}, which no prompt can have"
        raise InputError(where, found, "Delete it")
