"""Faults: nothing lost, nothing wrong.

Each test harms a run of the `ci` preset, gives the command that docs/running.md names for it, and
compares what is there at the end, by hash, with the run that nobody disturbed (`pipeline` of
tests/conftest.py).

- kill: the whole process group is killed with -9, at ten moments of one run; while it trains, while
  DVC runs it
- disk: full while it embeds, trains and reports; read-only
- damage: a flipped byte, a truncated file, under an old time or a new one, in every DVC stage
- download: interrupted, and truncated
- folder: two pipelines in one folder; a clock set back

The faults meet a part of the preset: figure 4 with brute force, OPQ and JPQ at one M, which has
every kind of stage (download, corpus, embedding, both trainings, an index, retrieval, measures,
tables, figure). The rest are more trainings and more reports by the same code, and would make ten
kills an hour. What can be, begins where the undisturbed run has already been.

`./run pytest` runs what takes seconds. The rest is marked slow, a quarter of an hour on two cores:

    ./run pytest -m slow -n0 tests/faults

Mounts need root: elsewhere the tests of the disk are skipped and say so.
"""
