"""Identifiers that are the documents' names: Ultron's URLs, of a corpus that has titles."""

import re

import numpy as np
from transformers import PreTrainedTokenizerBase

from jointir.basics.errors import InputError

CALL = re.compile(r"(?<=\w)\(.*", re.DOTALL)  # what a function takes: "f(x, y=0)"
LEVELS = re.compile(r"[./\\]+")  # what divides a qualified name, a path or a URL
ROOM = 2**63  # the keys of prefixes are numbers below it


def name_words(title: str) -> str:
    """Return the words of a title's qualified name, the last level first.

    "a.b.Class.run_all(x)" gives "run all Class b a". Ultron (Zhou et al. 2022) reverses
    URLs, too: their last part says most. A title without levels stays as it is.
    """
    levels = LEVELS.split(CALL.sub("", title))
    return " ".join(reversed(levels)).replace("_", " ")


def name_ids(
    titles: list[str], tokenizer: PreTrainedTokenizerBase, L: int, where: object
) -> np.ndarray:
    """Return int64[N, L]: the first L WordPiece tokens of each title's name.

    The tokens that occur are numbered from 1, in the tokenizer's order; 0 is the end, which fills
    up. Documents of one name share their identifier. where: what has the titles.

    Raises:
        InputError: a title is empty or has no token, or so long identifiers have too many prefixes.
    """
    own = [" ".join(name_words(title).split()) for title in titles]
    tokens = tokenizer(own, add_special_tokens=False, truncation=True, max_length=L)["input_ids"]
    if without := sum(not found for found in tokens):
        found = f"{without} of {len(titles)} documents have no title, which is to be their name"
        raise InputError(where, found, "Leave systems with `given: name` out of asi.systems")
    known = np.unique(np.concatenate([np.array(found) for found in tokens]))
    if (len(known) + 1) ** L >= ROOM:
        found = f"{L} positions of {len(known) + 1} tokens"
        raise InputError("asi.length", found, "Choose a shorter one, for at most 2^63 identifiers")
    ids = np.zeros((len(titles), L), np.int64)
    for row, found in enumerate(tokens):
        ids[row, : len(found)] = 1 + np.searchsorted(known, found)
    return ids
