"""Whether two runs have the same numbers: the values of each query, of every system.

python benchmarks/same_results.py A B: A and B are folders of the project with results (`data/`).
Prints a line for each file of values that one of the two lacks or that differs, and the largest
difference. Exit code 1 where there is any. Times and machines are no numbers of this kind.
"""

import sys
from pathlib import Path

import pandas as pd

FILES = ("data/*/measures/*/*/*.parquet", "data/*/generative/**/values.parquet")
VALUE = "value"


def files(folder: Path) -> dict[str, Path]:
    """Return the files of values in a project's folder, by their path in it."""
    return {str(p.relative_to(folder)): p for pattern in FILES for p in folder.glob(pattern)}


def values(path: Path) -> pd.Series:
    """Return the values of a file, by all its other columns."""
    frame = pd.read_parquet(path)
    return frame.set_index([c for c in frame.columns if c != VALUE])[VALUE].sort_index()


def difference(a: Path, b: Path) -> str:
    """Return how two files of values differ, "" where they are equal."""
    one, other = values(a), values(b)
    if not one.index.equals(other.index):
        alone = len(one.index.symmetric_difference(other.index))
        return f"{alone} rows are in one of the two alone"
    changed = one.ne(other) & ~(one.isna() & other.isna())
    if not changed.any():
        return ""
    most = (one - other)[changed].abs().max()
    return f"{changed.sum()} of {len(one)} values differ, by {most:.2g} at most"


def differences(a: Path, b: Path) -> list[str]:
    """Return a line for each file that is not the same in both folders."""
    of_a, of_b = files(a), files(b)
    lines = [f"{name}: only in {a}" for name in sorted(of_a.keys() - of_b.keys())]
    lines += [f"{name}: only in {b}" for name in sorted(of_b.keys() - of_a.keys())]
    for name in sorted(of_a.keys() & of_b.keys()):
        if found := difference(of_a[name], of_b[name]):
            lines.append(f"{name}: {found}")
    return lines


def main(a: Path, b: Path) -> int:
    """Print what differs; return 1 where something does, or where there is nothing to compare."""
    same = len(files(a).keys() & files(b).keys())
    lines = differences(a, b)
    print("\n".join([*lines, f"{same} files in both folders, {len(lines)} differences"]))
    return int(bool(lines) or not same)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
