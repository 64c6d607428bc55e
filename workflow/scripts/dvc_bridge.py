"""Keep DVC and Snakemake in step.  python workflow/scripts/dvc_bridge.py CMD

write         derive dvc.yaml from the Snakemake DAG of params/*.yaml
check         exit 1 if dvc.yaml is stale
run STAGE     (what each DVC stage does) refuse if dvc.yaml is stale; delete outputs that Snakemake
              cannot vouch for, such as those put there by dvc checkout, pull or exp, and what is
              damaged; put aside what no job makes; then let Snakemake do what is missing
sync [STAGE]  after dvc checkout or pull, of everything or of a stage and those before it: let
              Snakemake accept the restored files
verify        read every artifact and input again; delete artifacts whose bytes are not what DVC
              hashed, and let DVC read such inputs anew

Snakemake's DAG is the only one written by hand. A DVC stage is made of each of `all_stages` in
workflow/plan/stages.py; its params are those that the stage's rules and jobs read. DVC tracks
folders; what is looked at here are the files that jobs make in them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import facts
import strangers
import yaml
from alone import leave_folder, lock_folder
from damage import changed_files, cut_short, damaged, files_of
from snakemake.persistence.file import FilePersistence


def stages() -> dict[str, dict]:
    """Return the stages of dvc.yaml."""
    return yaml.CSafeLoader(Path("dvc.yaml").read_text()).get_single_data()["stages"]  # fast, safe


def tracked(stage: dict) -> list[str]:
    """Return what DVC tracks of a stage of dvc.yaml."""
    return [path for out in stage["outs"] for path in out]


def trusted(path: Path, record) -> bool:
    """Return whether `path` is, to the millisecond, what the job in Snakemake's record wrote."""
    newest = max((f.lstat().st_mtime for f in files_of(path)), default=0)
    return record is not None and abs(newest - record.endtime) < 1e-3


def run(name: str) -> None:
    """Clean a stage's outputs, then let Snakemake make what is missing of the stage."""
    from snakemake.cli import main as snakemake

    lock_folder()
    if (everything := facts.kept()) is None:
        check()
        os.execv(sys.executable, [sys.executable, *sys.argv])  # `check` left its Snakemake silent
    rules = clean(name, everything)
    leave_folder()  # Snakemake takes the lock itself
    # as in a process of its own, which would take longer
    sys.path.remove(str(Path(__file__).parent))
    target = f"stage_{name}"
    snakemake(["--allowed-rules", target, *rules, "--", target])


def clean(name: str, everything: dict[str, facts.Stage]) -> list[str]:
    """Delete the stage's outputs that have no matching record; return the rules of its jobs.

    Snakemake reruns a file whose params changed only if it has a record of the old ones. Without
    this, a fresh clone, `dvc pull`, an edited parameter and `dvc repro` would do nothing, and lock
    the new parameter with the old models.
    """
    stage = everything[name]
    strangers.put_aside(tracked(stages()[name]), stage.outputs | stage.passing)
    strangers.bring_back(stage.outputs)
    records = FilePersistence(nolock=True)  # private: the lock pins snakemake
    own = stage.outputs
    killed = records._filter_incomplete_keys(sorted(own))  # for snakemake --rerun-incomplete
    for path in filter(os.path.exists, sorted(own - killed)):
        if not trusted(Path(path), records._read_record(path)):
            delete(path, "not made by Snakemake here")
    for path in cut_short(name, own):
        delete(path, "its bytes are not what dvc.lock says, though its time is older")
    delete_damaged(own)
    if len({os.path.exists(path) for path in own}) == 2:
        delete_incomplete(stage)
    others = set().union(*(s.outputs for other, s in everything.items() if other != name))
    if delete_damaged(others & stage.inputs()):
        sys.exit("what this stage reads was damaged: run `dvc repro` again, which makes it anew")
    return stage.rules


def delete_incomplete(stage: facts.Stage) -> None:
    """Delete what the jobs of a stage made beside and of a missing output.

    Snakemake looks at its targets alone: a gap before them would stay, and DVC would miss it. What
    only machines with the extra `ann` make may be missing.
    """
    lost = {path for path in stage.outputs if not Path(path).exists()}
    found: set[str] = set()
    while lost - found:
        found |= lost
        lost = {o for j in stage.jobs if found & {*j.reads, *j.makes} for o in j.makes}
    for path in filter(os.path.exists, sorted(found)):
        delete(path, "a file beside it, or one that it is made of, is missing")


def delete(path: str, why: str) -> None:
    """Delete an artifact, and say so."""
    print(f"deleted, {why}: {path}", file=sys.stderr)
    strangers.delete(Path(path))


def delete_damaged(paths: Iterable[str]) -> list[str]:
    """Delete the artifacts that are damaged; return them."""
    found = damaged(sorted(paths))
    for path in found:
        delete(path, "its bytes are not what DVC hashed, though its time is")
    return found


def verify() -> None:
    """Read every artifact again, and delete what is damaged; read what a user changed anew, too."""
    lock_folder()
    artifacts = set().union(*(stage.outputs for stage in current().values()))
    told = stages().values()
    made = {path for stage in told for path in tracked(stage)}
    changed = changed_files({path for stage in told for path in stage["deps"]} - made)
    for path in changed:
        print(f"changed under its old time: {path}", file=sys.stderr)
        path.touch()  # so that DVC reads it
    if delete_damaged(artifacts) or changed:
        sys.exit("`dvc repro` makes anew what is of them")


def sync(stage: str = "") -> None:
    """Touch everything, or a stage and those before it, in the order of the DAG.

    DVC writes files back in any order.
    """
    current()
    status = ["dvc", "status", "--json", *(["--with-deps", stage] if stage else [])]
    done = subprocess.run(status, capture_output=True, text=True, check=False)
    if done.returncode or json.loads(done.stdout):
        again = f"dvc repro {stage}".strip()
        sys.exit(f"outputs do not match code and params: {again}\n{done.stdout}{done.stderr}")
    target = f"stage_{stage}" if stage else "all"
    command = ["snakemake", "--touch", "--forceall", "--cores", "1", "--quiet", "--", target]
    subprocess.run(command, check=True)


def check() -> dict[str, facts.Stage]:
    """Return the stages; exit when dvc.yaml is not that of the params and rules as they are now."""
    from dvc_dag import load
    from dvc_yaml import BRIDGE, pipeline

    stale = f"dvc.yaml is stale: the params or the rules changed. Renew it: {BRIDGE} write"
    try:
        dag = load()
        wanted = pipeline(dag)
    except SystemExit as e:  # the params are refused
        sys.exit(f"{e}. And {stale}")
    if not Path("dvc.yaml").exists() or Path("dvc.yaml").read_text() != wanted:
        sys.exit(stale)
    return facts.keep(dag)


def current() -> dict[str, facts.Stage]:
    """Return the stages after `check`, which is left out where nothing has changed since the last.

    Stages of a stale dvc.yaml would run other jobs than it lists: outputs that it does not know
    would stay, and others would be recorded beside params that they were not made with.
    """
    return facts.kept() or check()  # to derive it takes seconds, and each stage asks


def write() -> None:
    """Write dvc.yaml anew."""
    from dvc_dag import load
    from dvc_yaml import pipeline

    dag = load()
    Path("dvc.yaml").write_text(pipeline(dag))
    facts.keep(dag)


# of each command: what does it, and how many arguments it takes
COMMANDS = {
    "write": (write, 0, 0),
    "check": (check, 0, 0),
    "run": (run, 1, 1),
    "sync": (sync, 0, 1),
    "verify": (verify, 0, 0),
}


def main(*words: str) -> None:
    """Run one command; what is wrong with it ends with one line."""
    command, *arguments = words or ("",)
    if command not in COMMANDS:
        sys.exit(f"dvc_bridge.py: no command {command!r}. Choose of {', '.join(COMMANDS)}")
    act, least, most = COMMANDS[command]
    if not least <= len(arguments) <= most:
        wanted = "one stage" if least else "at most one stage" if most else "nothing"
        sys.exit(f"dvc_bridge.py {command}: takes {wanted}, not {' '.join(arguments)!r}")
    for stage in arguments:
        if stage not in stages():
            sys.exit(
                f"dvc_bridge.py {command}: no stage {stage!r}. Choose of {', '.join(stages())}"
            )
    act(*arguments)


if __name__ == "__main__":
    main(*sys.argv[1:])
