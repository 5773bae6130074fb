"""A real Slurm on one machine, for tests: slurmctld, several slurmd and a munged of their own, in one folder.

    python -m tests.slurm.cluster up [--install]     start it; a second `up` changes nothing
    eval "$(python -m tests.slurm.cluster env)"      let sbatch, squeue, ... of this shell use it
    python -m tests.slurm.cluster down               stop it with all its jobs, delete its folder

`--dir DIR` names another folder than the user's own, `--help` the rest.
Needs the Debian packages slurm-wlm and munge (`apt-get install slurm-wlm munge`, or `up --install` as root), no
systemd, no cgroups and no entry in /etc. Works as root and as any user (whose jobs then are the only ones).
Partitions: `normal` (the default), `high`, and `low`, whose jobs both others preempt, with requeue. No partition can be
called `default`: that is a word of slurm.conf. Several clusters live side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.slurm import accounting, configure
from tests.slurm.debian import SBIN, install, missing, needs

PATIENCE = 300.0  # seconds that anything may take: a machine may give its cores to others for long
DAEMONS = ("slurm", "munged", "mariadbd")  # how the names of daemons begin


@dataclass
class Cluster:
    """The cluster that lives in the folder `root` (short: its socket paths must stay under 108 characters)."""

    root: Path
    nodes: int = 2
    cpus: int = 2
    memory: int = 4000  # megabytes per node
    gpus: int = 2  # per node, and only pretended
    max_array_size: int = 50
    with_sacct: bool = False  # keep accounts (slurmdbd and a database), which takes some seconds longer to start
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

    def call(self, *command: str, timeout: float = PATIENCE, check: bool = True, **env: str) -> str:
        """Runs a command on the cluster, `env` added to its environment, and returns what it printed.

        Raises:
            RuntimeError: it failed (with its error output); not when `check` is false.
        """
        done = subprocess.run(
            command, env={**self.env(), **env}, capture_output=True, text=True, timeout=timeout, cwd=self.root
        )
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}{done.stdout}")
        return done.stdout

    def spawn(self, *command: str) -> None:
        """Starts a daemon that does not go to the background by itself; its output goes to a log named after it."""
        with (self.root / f"{command[0]}.log").open("ab") as log:
            subprocess.Popen(
                command, env=self.env(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def up(self, tries: int = 3) -> Cluster:
        """Starts everything and waits until all nodes are idle; does nothing when the cluster is there already."""
        if self.alive():
            return self
        for attempt in range(tries):
            self.down()
            try:
                configure.write(self)
                self._start()
                return self
            except (RuntimeError, TimeoutError):  # most likely a port that somebody took since we looked: other ports
                self._kill()
                if attempt == tries - 1:  # the folder stays, for its logs
                    raise
        raise AssertionError("unreachable")

    def alive(self) -> bool:
        """Whether the controller answers and all nodes take jobs."""
        if not self.conf.exists():
            return False
        states = self.call("sinfo", "-h", "-N", "-p", "normal", "-o", "%t", check=False).split()
        return bool(states) and all(state in ("idle", "mix", "alloc") for state in states)

    def clear(self, seconds: float = PATIENCE) -> None:
        """Cancels all jobs and waits until the last of them is gone."""
        self.call("scancel", "--user", getpass.getuser())
        self.wait(lambda: not self.call("squeue", "-h").strip(), seconds)

    def wait(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Returns when the condition holds.

        Raises:
            TimeoutError: it did not within this time; the message shows the queue.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not after {seconds:g} s; logs in {self.root}\n{self.call('squeue', check=False)}")
            time.sleep(0.2)  # most conditions ask the controller, which takes a process each time

    def down(self) -> None:
        """Kills all daemons and jobs of this cluster and deletes its folder; fine when there is none."""
        self._kill()
        while self.root.exists():
            shutil.rmtree(self.root, ignore_errors=True)
            self._kill()

    def processes(self, node: str | None = None) -> list[psutil.Process]:
        """All processes of the cluster or of one node: daemons by the log they hold open, jobs by their environment.

        A daemon that is just starting has no log open yet: those of the whole cluster are found by SLURM_CONF too.
        """
        log = f"{self.root}/{node}.log" if node else f"{self.root}/"
        job = {"SLURM_CLUSTER_NAME": self.name, **({"SLURMD_NODENAME": node} if node else {})}
        found = []
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"].startswith(DAEMONS):
                    owned = any(f.path.startswith(log) for f in process.open_files())
                    owned |= node is None and process.environ().get("SLURM_CONF") == str(self.conf)
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
            time.sleep(0.02)

    def start_node(self, node: str) -> None:
        self.call("slurmd", "-N", node)

    def kill_controller(self) -> None:
        psutil.Process(int((self.root / "slurmctld.pid").read_text())).kill()

    def start_controller(self) -> None:
        self.call("slurmctld")

    def _start(self) -> None:
        files = {"key-file": "key", "socket": "sock", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self.call("munged", "--force", *(f"--{option}={self.root}/munge.{end}" for option, end in files.items()))
        if self.with_sacct:
            accounting.start(self)
        self.start_controller()
        for node in self.node_names:
            self.start_node(node)
        self.wait(self.alive, seconds=90)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("up", "down", "env"))
    parser.add_argument(
        "--dir", type=Path, default=Path(f"/tmp/slurm-{getpass.getuser()}"), help="default: %(default)s"
    )
    parser.add_argument("--accounting", action="store_true", help="with slurmdbd and a database, so that sacct works")
    parser.add_argument("--install", action="store_true", help="install missing Debian packages first (root)")
    options = parser.parse_args()
    try:
        cluster = Cluster(options.dir.absolute(), with_sacct=options.accounting)
    except ValueError as error:
        parser.error(str(error))
    if options.action == "up":
        packages = needs(with_sacct=options.accounting)
        if options.install and missing(packages):
            install(packages)
        if why := missing(packages):
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
