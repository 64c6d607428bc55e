"""Figures 3 and 6 of ASI++ (Liu et al. 2024): the ablation, and how many documents share an id."""

from pathlib import Path

import numpy as np

from jointir.basics.errors import InputError
from jointir.basics.readers import read_parquet
from jointir.generative.ids import keys
from jointir.report.asi_tables import read_asi
from jointir.report.known import report
from jointir.report.styles import RC, save

ABLATION = {  # the name under each bar: what is left out
    "asi++": "ASI++",
    "asi++-without-ib": "$-L_{ib}$",
    "asi++-without-ib-bot": "$-L_{ib}-L_{bot}$",
    "asi": "$-L_{ib}-L_{bot}$\n$-L_{di}$ (ASI)",
}
SHADES = ("#0072B2", "#56B4E9", "#E69F00", "#888888")
CUTS = (5, 10)
SAMPLE = 10_000  # documents of figure 6, as in the paper


@report(
    stage="asi_report",
    figure="asi",
    category="Generative retrieval",
    reads={"results": "results of ASI", "numbers": "numbers of ASI"},
)
def asi_figure3(results: Path, numbers: Path, out: Path, png: Path) -> None:
    """Draw expectation R@5 and R@10 as criteria are left out one after the other.

    A bar is the mean over seeds, a dot one seed, a whisker its bootstrap interval over queries.
    results, numbers: files of `asi-results`.

    Raises:
        InputError: no system of the ablation was measured.
    """
    import matplotlib
    from matplotlib.figure import Figure

    rows = read_asi(results, numbers).rows
    systems = [s for s in ABLATION if s in set(rows["system"])]
    if not systems:
        raise InputError(results, "no system of the ablation", f"Train one of {tuple(ABLATION)}")
    with matplotlib.rc_context(fname=RC):
        fig = Figure(figsize=(7.0, 2.6))
        for ax, cut in zip(fig.subplots(1, len(CUTS)), CUTS, strict=True):
            for x, (system, shade) in enumerate(zip(systems, SHADES, strict=False)):
                own = rows[rows["system"].eq(system) & rows["measure"].eq(f"R@{cut}")]
                own = own[own["setting"].eq("free")]
                value = own["value"].to_numpy(float)
                low, high = own["low"].to_numpy(float), own["high"].to_numpy(float)
                at = x + 0.16 * (np.arange(len(own)) - (len(own) - 1) / 2)
                ax.bar(x, value.mean(), width=0.7, color=shade, alpha=0.55)
                whiskers = np.stack([value - low, high - value]).clip(min=0)  # rounding
                ax.errorbar(at, value, whiskers, fmt="o", ms=3, lw=0.8, color="#222222")
            ax.set_xticks(range(len(systems)), [ABLATION[s] for s in systems])
            ax.set_ylabel(f"R@{cut}, expectation")
        save(fig, out, png)


def sharing(ids: list[str], seed: int = 0) -> np.ndarray:
    """Return for each of at most 10,000 drawn documents how many of them have its identifier."""
    drawn = np.random.default_rng(seed).permutation(len(ids))[:SAMPLE]
    _, group, counts = np.unique(
        np.array(ids, object)[drawn].astype(str), return_inverse=True, return_counts=True
    )
    return counts[group]


@report(
    stage="asi_report",
    figure="asi",
    category="Generative retrieval",
    reads={"asi": "identifiers of ASI", "asi_plus": "identifiers of ASI++"},
    needs=("asi", "asi++"),
)
def asi_figure6(asi: Path, asi_plus: Path, out: Path, png: Path) -> None:
    """Draw how many documents share an identifier with a document, ASI against ASI++."""
    import matplotlib
    from matplotlib.figure import Figure

    shared = {
        name: sharing(keys(read_parquet(path)))
        for name, path in (("ASI", asi), ("ASI++", asi_plus))
    }
    most = max(counts.max() for counts in shared.values())
    edges = np.concatenate([[0.5, 1.5], np.geomspace(2.5, max(most, 3) + 1, 16)])
    styles = {
        "ASI": {"color": "#D55E00", "histtype": "step", "linestyle": "--"},
        "ASI++": {"color": "#0072B2", "histtype": "stepfilled", "alpha": 0.4},
    }
    with matplotlib.rc_context(fname=RC):
        fig = Figure(figsize=(5.0, 2.8))
        ax = fig.subplots()
        for name, counts in shared.items():
            label = f"{name}: {100 * (counts == 1).mean():.0f}% alone"
            weights = np.full(len(counts), 100 / len(counts))
            ax.hist(counts, edges, weights=weights, label=label, **styles[name])
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("documents with the same identifier (log scale)")
        ax.set_ylabel("% of documents")
        ax.legend()
        save(fig, out, png)
