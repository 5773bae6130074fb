"""What the test cluster needs of the machine, and the Debian packages that bring it."""

from __future__ import annotations

import os
import shutil
import subprocess

SBIN = "/usr/sbin:/sbin"  # daemons live here, which is not on every user's PATH
NEEDS = {"slurm-wlm": ("slurmctld", "slurmd", "sbatch", "squeue"), "munge": ("munged",)}
ACCOUNTING_NEEDS = {"slurmdbd": ("slurmdbd",), "mariadb-server": ("mariadbd", "mariadb-install-db")}


def needs(with_sacct: bool) -> dict[str, tuple[str, ...]]:
    """The packages of a cluster, each with the programs that it is there for."""
    return {**NEEDS, **(ACCOUNTING_NEEDS if with_sacct else {})}


def missing(packages: dict[str, tuple[str, ...]] = NEEDS) -> str | None:
    """Why no cluster can be started on this machine, or None when one can."""
    path = f"{os.environ.get('PATH', '')}:{SBIN}"
    absent = [p for programs in packages.values() for p in programs if shutil.which(p, path=path) is None]
    return f"{', '.join(absent)} not found (Debian: apt-get install {' '.join(packages)})" if absent else None


def install(packages: dict[str, tuple[str, ...]] = NEEDS) -> None:
    """Installs the packages; wants root. The daemons of a package are not started by that (run level 1)."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=env)
    subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", *packages], check=True, env=env)
