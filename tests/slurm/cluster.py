"""A real Slurm on one machine, for tests: slurmctld, several slurmd and a munged of their own, in one folder.

    python tests/slurm/cluster.py up [--install]     start it; a second `up` changes nothing
    eval "$(python tests/slurm/cluster.py env)"      let sbatch, squeue, ... of this shell use it
    python tests/slurm/cluster.py down               stop it with all its jobs, delete its folder

`--dir DIR` names another folder than the user's own, `--help` the rest.
Needs the Debian packages slurm-wlm and munge (`apt-get install slurm-wlm munge`, or `up --install` as root), no
systemd, no cgroups and no entry in /etc. Works as root and as any user (whose jobs then are the only ones).
Partitions: `normal` (the default), `low`, which `high` preempts with requeue. Several clusters live side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import random
import re
import shutil
import socket
import string
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

PACKAGES = ("slurm-wlm", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
SBIN = "/usr/sbin:/sbin"  # daemons live here, which is not on every user's PATH
DAEMONS = ("slurm", "munged")  # how the names of daemons begin


def missing(programs: tuple[str, ...] = PROGRAMS) -> str | None:
    """Why no cluster can be started on this machine, or None when one can."""
    absent = [p for p in programs if shutil.which(p, path=f"{os.environ.get('PATH', '')}:{SBIN}") is None]
    return f"{', '.join(absent)} not found (Debian: apt-get install {' '.join(PACKAGES)})" if absent else None


def install(packages: tuple[str, ...] = PACKAGES) -> None:
    """Installs Debian packages; needs root. Daemons that the packages bring are not started."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=env)
    subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", *packages], check=True, env=env)


@dataclass
class Cluster:
    """The cluster that lives in the folder `root` (short: its socket paths must stay under 108 characters)."""

    root: Path
    nodes: int = 2
    cpus: int = 2
    memory: int = 4000  # megabytes per node
    gpus: int = 2  # per node, and only pretended
    max_array_size: int = 50
    extra: list[str] = field(default_factory=list)  # further lines for slurm.conf

    def __post_init__(self) -> None:
        if len(str(self.root)) > 60:
            raise ValueError(
                f"{self.root}: too long for the paths of the sockets below it, which end at 108 characters"
            )
        if self.root.exists() and any(self.root.iterdir()) and not self.conf.exists():
            raise ValueError(f"{self.root}: neither empty nor a cluster's folder")

    @property
    def conf(self) -> Path:
        return self.root / "slurm.conf"

    @property
    def name(self) -> str:
        """The ClusterName, which marks every job's environment; so it is made of the folder's whole path."""
        return re.sub("[^a-z0-9]+", "_", str(self.root).lower()).strip("_")

    @property
    def node_names(self) -> list[str]:
        return [f"n{i + 1}" for i in range(self.nodes)]

    def env(self) -> dict[str, str]:
        """The environment for client commands: this process's, without what an outer Slurm job left in it."""
        outer = ("SLURM_", "SBATCH_", "SQUEUE_", "SINFO_", "SCANCEL_", "SRUN_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(outer)}
        return {**kept, "PATH": f"{kept.get('PATH', '')}:{SBIN}", "SLURM_CONF": str(self.conf)}

    def call(self, *command: str, timeout: float = 60, check: bool = True) -> str:
        """Runs a command on the cluster and returns what it printed.

        Raises:
            RuntimeError: it failed (with its error output); not when `check` is false.
        """
        done = subprocess.run(command, env=self.env(), capture_output=True, text=True, timeout=timeout, cwd=self.root)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}{done.stdout}")
        return done.stdout

    def up(self, tries: int = 3) -> Cluster:
        """Starts everything and waits until all nodes are idle; does nothing when the cluster is there already."""
        if self.alive():
            return self
        for attempt in range(tries):
            self.down()
            try:
                self._write()
                self._start()
                return self
            except (RuntimeError, TimeoutError):  # most likely a port that somebody took since we looked: other ports
                if attempt == tries - 1:
                    raise
        raise AssertionError("unreachable")

    def alive(self) -> bool:
        """Whether the controller answers and all nodes take jobs."""
        if not self.conf.exists():
            return False
        states = self.call("sinfo", "-h", "-N", "-p", "normal", "-o", "%t", check=False).split()
        return bool(states) and all(state in ("idle", "mix", "alloc") for state in states)

    def clear(self, seconds: float = 60) -> None:
        """Cancels all jobs and waits until the last of them is gone."""
        self.call("scancel", "--user", getpass.getuser())
        self.wait(lambda: not self.call("squeue", "-h").strip(), seconds)

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Returns when the condition holds.

        Raises:
            TimeoutError: it did not within this time; the message shows the queue.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not after {seconds:g} s; logs in {self.root}\n{self.call('squeue', check=False)}")
            time.sleep(0.05)

    def down(self) -> None:
        """Kills all daemons and jobs of this cluster and deletes its folder; fine when there is none."""
        self._kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def processes(self, node: str | None = None) -> list[psutil.Process]:
        """All processes of the cluster or of one node: daemons by the log they hold open, jobs by their environment."""
        log = f"{self.root}/{node}.log" if node else f"{self.root}/"
        job = {"SLURM_CLUSTER_NAME": self.name, **({"SLURMD_NODENAME": node} if node else {})}
        found = []
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"].startswith(DAEMONS):
                    owned = any(f.path.startswith(log) for f in process.open_files())
                else:
                    owned = job.items() <= process.environ().items()
            except psutil.Error:  # gone meanwhile, a zombie, or somebody else's
                continue
            if owned:
                found.append(process)
        return found

    def kill_node(self, node: str) -> None:
        """The node dies: its slurmd and all that runs there, at once and without a word to the controller."""
        self._kill(node)

    def _kill(self, node: str | None = None) -> None:
        while processes := self.processes(node):  # again, since a dying one may just have started another
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(processes, timeout=5)

    def start_node(self, node: str) -> None:
        self.call("slurmd", "-N", node)

    def kill_controller(self) -> None:
        psutil.Process(int((self.root / "slurmctld.pid").read_text())).kill()

    def start_controller(self) -> None:
        self.call("slurmctld")

    def _write(self) -> None:
        """Makes the folder with the munge key, the pretended GPUs' files and the configuration, on free ports."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)  # munged insists that clients can reach its socket and nobody else can write here
        (self.root / "state").mkdir()
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        for index in range(self.gpus):
            (self.root / f"gpu{index}").symlink_to("/dev/null")  # slurmd wants a device, and mknod would want root
        nodes = f"n[1-{self.nodes}]"
        (self.root / "gres.conf").write_text(f"NodeName={nodes} Name=gpu File={self.root}/gpu[0-{self.gpus - 1}]\n")
        first = free_ports(1 + self.nodes)
        template = string.Template(Path(__file__).with_name("slurm.conf.template").read_text())
        text = template.substitute(
            root=self.root,
            name=self.name,
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            controller_port=first,
            node_ports=f"[{first + 1}-{first + self.nodes}]",
            nodes=nodes,
            cpus=self.cpus,
            memory=self.memory,
            gpus=self.gpus,
            max_array_size=self.max_array_size,
            accounting="AccountingStorageType=accounting_storage/none",
            extra="\n".join(self.extra),
        )
        self.conf.write_text(text)

    def _start(self) -> None:
        files = {"key-file": "key", "socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self.call("munged", "--force", *(f"--{option}={self.root}/munge.{end}" for option, end in files.items()))
        self.start_controller()
        for node in self.node_names:
            self.start_node(node)
        self.wait(self.alive, seconds=30)


def free_ports(count: int) -> int:
    """The first of `count` TCP ports in a row that nobody listens on, below the range of outgoing connections."""
    while True:
        first = random.randrange(20000, 32000)
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("", port))
            return first
        except OSError:
            continue


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("up", "down", "env"))
    parser.add_argument(
        "--dir", type=Path, default=Path(f"/tmp/slurm-{getpass.getuser()}"), help="default: %(default)s"
    )
    parser.add_argument("--install", action="store_true", help="install missing Debian packages first (root)")
    options = parser.parse_args()
    cluster = Cluster(options.dir.absolute())
    if options.action == "up":
        if missing() and options.install:
            install()
        if why := missing():
            print(f"error: {why}", file=sys.stderr)
            return 2
        cluster.up()
        print(f"up: {cluster.call('sinfo', '-h', '-o', '%P %D %t %G').strip()}\nexport SLURM_CONF={cluster.conf}")
    elif options.action == "down":
        cluster.down()
    else:
        print(f"export SLURM_CONF={cluster.conf}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
