"""The `tune` stage: a few short trainings of JPQ at one M, and the settings that dev likes best."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from jointir.basics.errors import InputError
from jointir.basics.files import write_json
from jointir.basics.progress import say
from jointir.joint.jpq import jpq
from jointir.joint.tuned import TUNED
from jointir.methods.arguments import DevOptions, Files
from jointir.methods.jpq import Settings
from jointir.train.curve import read_curve
from jointir.train.processes import is_main


@dataclass(frozen=True)
class Trial:
    """What a candidate did on dev: `settings` are those that differ from what was given."""

    settings: dict[str, float | str]
    value: float
    gain: float
    losses: str = ""  # the measures in which a group of queries is probably worse


def read_candidate(text: str) -> dict[str, float | str]:
    """Return the settings of "lr=2e-05 ranking=0.1"; of "" none, which is what was given.

    Raises:
        InputError: a setting that is not tuned, or that is no number.
    """
    found = {}
    for word in text.split():
        name, _, value = word.partition("=")
        if name not in TUNED:
            raise InputError("candidate", f"{name!r} is not tuned", f"Choose of {sorted(TUNED)}")
        try:
            found[name] = TUNED[name](value)
        except ValueError as e:
            raise InputError("candidate", f"{word!r} is no number", "Write NAME=NUMBER") from e
    return found


def best(trials: list[Trial], least: float) -> Trial:
    """Return the trial of the highest gain; the first, unless another's is higher by `least`.

    A trial that loses in a measure is not chosen while there is one that does not.
    """
    able = [trial for trial in trials if not trial.losses] or trials[:1]
    found = max(able, key=lambda trial: trial.gain)
    first = trials[0] in able and found.gain < trials[0].gain + least
    return trials[0] if first else found


def tune(
    collection: Path,
    encoder: Path,
    docs: Path,
    teacher: Path,
    index: Path,
    out: Path,
    scratch: Path,
    candidate: list[str],
    least: float,
    settings: Settings,
    dev_measures: list[str] | None = None,
    dev_queries: int = 1000,
) -> None:
    """Train each candidate and write the best one's settings to the JSON `out`.

    candidate: "NAME=VALUE ..." that differ from `settings`, the first of them usually "". Its gain
    is that of `Validation`: the least over the groups of dev's queries, against the index as it is.
    Another than the first is chosen where its gain is higher by `least`.

    Raises:
        InputError: a candidate names something else, or as `jpq` has it.
    """
    measures = dev_measures or DevOptions().dev_measures
    differing = [read_candidate(text) for text in candidate]
    trials = []
    for i, own in enumerate(differing):
        folder = scratch / f"candidate{i}"
        paths = (folder / "index.faiss", folder / "encoder", folder / "scratch")
        curve, steps = folder / "training.csv", settings.steps
        dev = DevOptions(curve, measures, validate_every=steps, dev_queries=dev_queries)
        files = Files(collection, encoder, index, *paths, docs, teacher)
        jpq(files, replace(settings, **own), dev)
        if is_main():
            last = read_curve(curve).iloc[-1]
            trials.append(Trial(own, last["value"], last["gain"], last["losses"]))
            say(f"tune: {own or 'as given'}: gain {last['gain']:+.4f} on dev")
    if is_main():
        _write(trials, best(trials, least), measures[0], out)
        shutil.rmtree(scratch)


def _write(trials: list[Trial], chosen: Trial, measure: str, out: Path) -> None:
    rows = [
        {"settings": t.settings, measure: t.value, "gain": t.gain, "losses": t.losses}
        for t in trials
    ]
    write_json(out, {"chosen": chosen.settings, "trials": rows})
    say(f"tune: chosen {chosen.settings or 'as given'}")
