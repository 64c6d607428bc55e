"""The stage of each method that trains an index with the query encoder: `jointir METHOD`."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.settings import Checked, described
from jointir.joint.tuned import chosen
from jointir.methods import known
from jointir.methods.arguments import UNEMBEDDED, UNMEASURED, DevOptions, Files, QueryOptions


def stage(method: str) -> Callable[..., None]:
    """Return the stage of a method that trains an index with the query encoder."""
    kind, train = known.settings(method), known.module(method).train

    def trained(
        files: Files,
        settings: kind,
        tuned: Path | None = None,
        own: list[str] | None = None,
        dev: DevOptions = UNMEASURED,
        queries: QueryOptions = UNEMBEDDED,
    ) -> None:
        changed = with_choice(settings, tuned, own or []) if tuned else settings
        train(files, changed, dev)
        if queries.out_queries:
            embed_queries(files, queries)

    trained.__doc__ = train.__doc__
    return trained


def embed_queries(files: Files, asked: QueryOptions) -> None:
    """Embed queries by the encoder that was trained: a job of its own would load all of it again.

    Of several processes, the main one does it.
    """
    from jointir.encode.embed import embed
    from jointir.train.processes import is_main

    if is_main():
        own = asdict(asked)
        embed(files.collection, files.out_encoder, own.pop("out_queries"), "query", **own)


def with_choice(settings: Checked, tuned: Path, own: list[str]) -> Checked:
    """Return settings with those that a file of the `tune` stage chose, but for what `own` names.

    Raises:
        InputError: the file is not of that stage, or chose a setting that the method has not.
    """
    changed = {name: value for name, value in chosen(tuned).items() if name not in own}
    if unknown := sorted(set(changed) - set(described(type(settings)))):
        found = f"chooses {unknown[0]!r}, which is no setting here"
        raise InputError(tuned, found, "Leave out --tuned: it is of JPQ's settings")
    return replace(settings, **changed)
