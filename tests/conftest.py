"""What the tests of the workflow share: a copy of the repository, and one real run of it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# The same examples in every run, on a busy machine too: a red CI is a defect, not a bad moment.
settings.register_profile(
    "jointir", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("jointir")

ROOT = Path(__file__).parents[1]
CI = "params/presets/ci.yaml"
PRESET = yaml.safe_load((ROOT / CI).read_text())
N, DEV, TEST = (PRESET["datasets"]["apidocs-ci"][key] for key in ("documents", "dev", "test"))
# what a clone holds that a run needs
FILES = [
    *("Snakefile", "workflow", "profiles", "src", "params", "environment.yml", "pyproject.toml"),
    *("dvc.yaml", ".dvc", ".dvcignore", ".gitignore"),
]
NEEDED = 15e9  # bytes of disk that copies of the run take at most
LONGEST_RUN = 2400  # seconds that other tests wait for the run at most
# whose tests look at one run of the ci preset: the first of them makes it, for both processes
OF_THE_RUN = ("test_dvc.py", "test_faults", "test_pipeline")
ON_SLURM = "test_slurm.py"  # beside the run, which leaves the cores to it now and then
LONGEST = "test_dvc.py"  # which one process tests while the other has the rest
# sources and tools of the tested copy and of this interpreter, wherever pytest was started from
ENV = os.environ | {
    "PYTHONPATH": "src",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
}


class Scheduling(LoadScopeScheduling):
    """Gives each file to one process, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.split("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling:
    """Schedule by file; the one that makes the run begins first."""
    config.option.loadscopereorder = False
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what waits for Slurm more than it computes, then the tests of the run.

    Then those of the workflow, whose files take minutes: begun last, one would end alone.
    """
    first = {ON_SLURM: 0, LONGEST: 1}

    def place(item: pytest.Item) -> tuple[int, bool, bool]:
        others = item.path.parent.name != "workflow"
        return first.get(item.path.name, 2), not of_the_run(item), others

    items.sort(key=place)


def of_the_run(item: pytest.Item) -> bool:
    """Tell whether a test looks at the run of the ci preset."""
    return item.path.name.startswith(OF_THE_RUN)


def run(*command: str | Path, cwd: Path, ok: bool = True) -> str:
    """Return stdout and stderr of a command that must end well (`ok`) or badly."""
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=ENV, text=True, capture_output=True, check=False
    )
    assert (done.returncode == 0) == ok, (command, done.stdout[-8000:] + done.stderr[-8000:])
    return done.stdout + done.stderr


def bridge(command: str, cwd: Path, ok: bool = True) -> str:
    """Run one command of workflow/scripts/dvc_bridge.py."""
    return run(sys.executable, "workflow/scripts/dvc_bridge.py", *command.split(), cwd=cwd, ok=ok)


def commit(folder: Path) -> None:
    """Commit what git does not ignore."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    run("git", "add", "--all", cwd=folder)
    run("git", *who, "commit", "--quiet", "--message", "state", cwd=folder)


def clone(to: Path) -> Path:
    """Copy the repository's files, not its results, to `to`."""
    skip = shutil.ignore_patterns("__pycache__", "*.egg-info", "cache", "tmp", "config.local")
    for name in FILES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=skip, dirs_exist_ok=True)
        elif (ROOT / name).exists():
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def merge(base: dict, overlay: dict) -> dict:
    """Return `base` with `overlay` merged into it, as `snakemake --configfile` does."""
    both = {k: merge(base[k], v) for k, v in overlay.items() if isinstance(base.get(k), dict)}
    return base | overlay | both


def all_params(folder: Path) -> dict:
    """Return what is in params/*.yaml."""
    files = sorted((folder / "params").glob("*.yaml"))
    return {k: v for file in files for k, v in yaml.safe_load(file.read_text()).items()}


def edit_params(folder: Path, overlay: dict) -> None:
    """Merge `overlay` into the files of params/ that its keys are in."""
    for path in sorted((folder / "params").glob("*.yaml")):
        old = yaml.CSafeLoader(path.read_text()).get_single_data()  # fast, safe
        new = merge(old, {key: overlay[key] for key in old if key in overlay})
        if new != old:
            path.write_text(yaml.safe_dump(new, sort_keys=False))


def configure(folder: Path, overlay: dict | None = None) -> None:
    """Make the ci preset, with `overlay`, the params of a copy, and DVC ready for it."""
    preset = yaml.safe_load((folder / CI).read_text())
    edit_params(folder, merge(preset, overlay or {}))
    bridge("write", folder)
    run("git", "init", "--quiet", cwd=folder)


def run_is_done(factory: pytest.TempPathFactory) -> Path:
    """Return the file in which the process that makes the run tells the other where it is."""
    own = factory.getbasetemp()
    return (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "run-is-done"


def await_the_run(factory: pytest.TempPathFactory) -> None:
    """Wait until the other process has made the run."""
    limit = time.monotonic() + LONGEST_RUN
    while not run_is_done(factory).exists() and time.monotonic() < limit:
        time.sleep(1)


@pytest.fixture(autouse=True)
def turn(request, tmp_path_factory) -> None:
    """Leave the cores to the run while it lasts: other tests of the other process begin after it.

    What DVC's tests do then takes one core, and the other tests have the other.
    """
    together = "PYTEST_XDIST_WORKER" in os.environ and any(map(of_the_run, request.session.items))
    if together and not of_the_run(request.node) and request.path.name != ON_SLURM:
        await_the_run(tmp_path_factory)


@dataclass(frozen=True)
class Pipeline:
    """A finished run of the `ci` preset. Copy the folder, never change it."""

    folder: Path
    log: str
    seconds: float


@pytest.fixture(scope="module")
def large(request, tmp_path_factory) -> Iterator[Path]:
    """Return a folder for a module's copy of a run, gone after its tests unless one failed."""
    folder = tmp_path_factory.mktemp("large")
    before = request.session.testsfailed
    yield folder
    if request.session.testsfailed == before:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory) -> Pipeline:
    """Run the whole DAG once: real sources, real encoder, real training, on N documents.

    JOINTIR_TEST_RUN, a folder that is kept, saves all of it that did not change since.
    """
    done = run_is_done(tmp_path_factory)
    try:
        done.with_name("run-is-begun").touch(exist_ok=False)  # one process makes it
    except FileExistsError:
        await_the_run(tmp_path_factory)
        told = json.loads(done.read_text())
        return Pipeline(Path(told["folder"]), told["log"], told["seconds"])
    base = tmp_path_factory.getbasetemp()
    if (free := shutil.disk_usage(base).free) < NEEDED:
        told = f"{base} has {free / 1e9:.0f} GB free, and the tests need {NEEDED / 1e9:.0f} GB"
        pytest.exit(f"{told}: free some, or set TMPDIR to another disk", returncode=1)
    kept = os.environ.get("JOINTIR_TEST_RUN")
    folder = clone(Path(kept) if kept else tmp_path_factory.mktemp("pipeline"))
    begin = time.monotonic()
    told = {"folder": str(folder), "log": "the run failed, see the other process", "seconds": 0}
    try:
        told["log"] = run("snakemake", "--configfile", CI, "--cores", "2", cwd=folder)
        told["seconds"] = time.monotonic() - begin
    finally:
        scratch = done.with_suffix(".tmp")
        scratch.write_text(json.dumps(told))
        scratch.rename(done)
    print(f"\npipeline of the ci preset: {told['seconds']:.0f} s", file=sys.__stderr__)
    return Pipeline(folder, told["log"], told["seconds"])
