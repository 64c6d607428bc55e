"""A Slurm cluster of several nodes on this one machine, in a folder of its own."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGES = ["slurmctld", "slurmd", "slurm-client", "munge"]  # Debian's
PROGRAMS = ["slurmctld", "slurmd", "sbatch", "munged"]
PATIENCE = 60  # seconds until the nodes must be there
CONTROLLER_PORT, NODE_PORT = 16817, 16821
FILES = ["slurm.conf", "gres.conf"]
PREFIX = "slurm-"  # of a sandbox's folder
ETC = Path("/etc/slurm")  # where jobs look: the environment that names another place is not theirs
# No systemd and no cgroups: jobs are watched through /proc, and one that takes more memory than it
# asked for is killed. A node's GPU is counted, not there.
CONF = """
ClusterName=jointir
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
AuthInfo=socket={root}/munge/socket
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool/%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/%n.pid
PlugStackConfig={root}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=3600
SlurmdTimeout=15
KillWait=5
GresTypes=gpu
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] \
CPUs={cpus} RealMemory={memory} Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE
"""


def clear_up() -> None:
    """Remove what a sandbox that was killed has left in ETC, unless its daemons live on.

    Slurm would be taken for another's, and every start of Snakemake wait 9 s for its controller.
    """
    conf = ETC / "slurm.conf"
    root = conf.readlink().parent if conf.is_symlink() else ETC
    if not root.name.startswith(PREFIX):
        return
    pid = root / "slurmctld.pid"
    if not pid.exists() or not Path("/proc", pid.read_text().strip()).exists():
        remove(root)


def remove(root: Path) -> None:
    """Remove a sandbox's folder, and its configuration from ETC."""
    for name in FILES:
        (ETC / name).unlink(missing_ok=True)
    if root.is_dir():
        shutil.rmtree(root)


def why_not() -> str:
    """Return why no Slurm can run here, empty where it can; installs it where that is allowed."""
    if os.geteuid() != 0:
        return "Slurm's daemons need root"
    clear_up()
    if (ETC / "slurm.conf").exists():
        return f"{ETC} is of another Slurm"
    if all(map(shutil.which, PROGRAMS)):
        return ""
    if not shutil.which("apt-get"):
        return "Slurm is not installed, and there is no apt-get to install it"
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"Slurm cannot be installed: {done.stderr[-300:]}" if done.returncode else ""


class Sandbox:
    """Start with `with`: Slurm's programs find it until the end, and no longer."""

    def __init__(self, nodes: int, cpus: int, memory: int):
        """memory: MiB of each node."""
        # a socket's path may have 108 characters: pytest's folders can be too deep
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.nodes, self.cpus, self.memory = nodes, cpus, memory
        self._daemons: list[subprocess.Popen] = []

    def _configure(self) -> None:
        for folder in ("munge", "state", "spool"):
            (self.root / folder).mkdir()
        self.root.chmod(0o755)
        (self.root / "munge").chmod(0o711)
        key = self.root / "munge/key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        (self.root / "plugstack.conf").touch()
        last = NODE_PORT + self.nodes - 1
        places = {"host": os.uname().nodename.split(".")[0], "root": self.root, "last": last}
        size = {"nodes": self.nodes, "cpus": self.cpus, "memory": self.memory}
        ports = {"controller_port": CONTROLLER_PORT, "first": NODE_PORT}
        (self.root / "slurm.conf").write_text(CONF.format(**places, **size, **ports))
        gres = f"NodeName=n[1-{self.nodes}] Name=gpu File=/dev/null\n"  # any device will do
        (self.root / "gres.conf").write_text(gres)
        ETC.mkdir(exist_ok=True)
        for name in FILES:
            (ETC / name).symlink_to(self.root / name)

    def _start(self, *command: str | Path) -> None:
        name = "-".join(Path(str(c)).name for c in command[:1] + command[-1:])
        with (self.root / f"{name}.out").open("w") as out:
            daemon = subprocess.Popen([str(c) for c in command], stdout=out, stderr=out)
        self._daemons.append(daemon)

    def ask(self, *command: str) -> str:
        """Return what one of Slurm's own programs prints, empty when it fails."""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    def _ready(self) -> bool:
        states = self.ask("sinfo", "-hN", "-o", "%t").split()
        return len(states) == self.nodes and set(states) == {"idle"}

    def __enter__(self) -> "Sandbox":
        self._configure()
        at = self.root / "munge"
        places = [f"--{name}-file={at}/{name}" for name in ("key", "pid", "log", "seed")]
        self._start("munged", "--foreground", "--force", f"--socket={at}/socket", *places)
        self._start("slurmctld", "-D")
        for i in range(self.nodes):
            self._start("slurmd", "-D", "-N", f"n{i + 1}")
        limit = time.monotonic() + PATIENCE
        while not self._ready():
            if time.monotonic() > limit:
                logs = "\n".join(p.read_text()[-1500:] for p in self.root.glob("*.out"))
                self.__exit__()
                raise RuntimeError(f"no Slurm after {PATIENCE} s:\n{logs}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        self.ask("scancel", "--user=root")
        limit = time.monotonic() + PATIENCE
        while self.ask("squeue", "-h") and time.monotonic() < limit:
            time.sleep(0.5)
        for daemon in reversed(self._daemons):  # munged last: the others speak through it
            daemon.terminate()
        for daemon in self._daemons:
            daemon.wait(PATIENCE)
        remove(self.root)
