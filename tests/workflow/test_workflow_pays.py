"""Who asks for figure 4 is told whether JPQ pays: Snakemake prints it, and the table has it."""

import re

import pytest

from conftest import clone, run
from jointir.measure.comparisons import COLUMNS as COMPARISONS
from jointir.measure.groups import COLUMNS as GROUPS
from jointir.measure.results import COLUMNS as RESULTS
from jointir.report.pays import MEANING

WITHOUT_ADORE = "figure4={systems: [jpq, opq]}"
LINES = [
    "- apidocs: JPQ pays on test only at 16 bytes: level with OPQ at 32 bytes; pays at every size"
    " (16 and 32 bytes) on dev.",
    "",
    MEANING,
]
OF_REPORTS = ["pays", "figure4_table", "groups_table", "metrics", "figure4"]


@pytest.fixture
def measured(tmp_path):
    """A copy of the project in which all is measured that figure 4 shows; nothing is drawn."""
    folder = clone(tmp_path / "clone")
    tables = folder / "reports/tables"
    tables.mkdir(parents=True)
    results, groups = [",".join(RESULTS)], [",".join(GROUPS)]
    for split, p in [("dev", 0.01), ("test", 0.2)]:
        for size, own in [(16, 0.01), (32, p)]:
            for system, compared in [("jpq", ["opq", 0.1, own]), ("opq", ["", "", ""])]:
                about = [system, f"M={size}", 1, size, "MRR@10", 0.5, 0.4, 0.6]
                results.append(",".join(map(str, ["apidocs", split, *about])))
                for group in [("all", "all"), ("train query", "without")]:
                    line = ["apidocs", split, *group, 9, *about, *compared]
                    groups.append(",".join(map(str, line)))
    (tables / "results.csv").write_text("\n".join(results) + "\n")
    (tables / "comparisons.csv").write_text(",".join(COMPARISONS) + "\n")
    (tables / "groups.csv").write_text("\n".join(groups) + "\n")
    (tables / "sizes.csv").write_text("dataset,system,setting,compression\n")
    (folder / "reports/figure_training.pdf").touch()  # of trainings, of which there are none here
    (folder / "data").mkdir()
    for name in ("results", "comparisons", "groups"):
        (folder / f"data/{name}.made").touch()
    return folder


def test_figure_4_ends_with_whether_jpq_pays(measured):
    def asked(target):
        options = ["--cores", "1", "--allowed-rules", *OF_REPORTS, "--rerun-triggers", "mtime"]
        return run("snakemake", *options, "--config", WITHOUT_ADORE, "--", target, cwd=measured)

    told = asked("reports/tables/groups.md")
    assert "JPQ pays" not in told and not (measured / "reports/tables/pays.md").exists()
    told = asked("reports/figure4.pdf")
    said = "\n".join(LINES) + "\n"
    assert told.count(said) == 1
    jobs = re.findall(r"^localrule (\w+):", told, re.MULTILINE)
    assert set(jobs) == {"pays", "figure4_table", "metrics", "figure4"} and jobs[-1] == "figure4"
    assert (measured / "reports/tables/pays.md").read_text() == said
    assert (measured / "reports/tables/figure4.md").read_text().endswith(f"\n\n{said}")
    assert (
        "| JPQ | M=32 | 32 | 0.500 [0.400, 0.600] |  |  | level |"
        in (measured / "reports/tables/figure4.md").read_text()
    )
