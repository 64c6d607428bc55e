"""Join the shards of a matrix; a file of its own, which loads without torch."""

from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import atomic, new_matrix, read_json, write_json
from jointir.basics.readers import read_npy


def gather(shard: list[Path], out: Path) -> None:
    """Join the shards of one matrix, in the order given, into one .npy and its JSON.

    Raises:
        InputError: the shards differ in dimension, dtype or encoder.
    """
    facts = [read_json(s.with_suffix(".json")) for s in shard]
    for path, fact in zip(shard, facts, strict=True):
        if fact != facts[0]:
            remedy = "Delete the shards and embed again with one encoder"
            raise InputError(path, f"is described by {fact}, {shard[0]} by {facts[0]}", remedy)
    parts = [read_npy(s, mapped=True) for s in shard]
    with atomic(out) as scratch:
        shape = (sum(len(p) for p in parts), facts[0]["dim"])
        matrix = new_matrix(scratch, facts[0]["dtype"], shape)
        at = 0
        for part in parts:
            matrix[at : at + len(part)] = part
            at += len(part)
        matrix.flush()
    write_json(out.with_suffix(".json"), facts[0])
