"""The stage of each method that trains an encoder: `jointir METHOD`."""

from collections.abc import Callable

from jointir.basics.errors import InputError
from jointir.methods import known
from jointir.methods.arguments import UNMEASURED, UNSAMPLED, EncoderFiles


def stage(method: str) -> Callable[..., None]:
    """Return the stage of a method that trains an encoder.

    One that embeds documents, too, is measured on a sample of them; the others on all.
    """
    kind, train = known.settings(method), known.module(method).train
    facts = known.facts()[method]
    measured = UNSAMPLED if facts.own_documents else UNMEASURED

    def trained(files: EncoderFiles, settings: kind, dev: type(measured) = measured) -> None:
        for name in [option for option, conditions in facts.reads.items() if not conditions]:
            if getattr(files, name) is None:
                raise InputError(f"--{name}", "is missing", f"{method} reads it: name it")
        train(files, settings, dev)

    trained.__doc__ = train.__doc__
    return trained
