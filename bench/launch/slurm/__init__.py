"""Slurm: the jobs of a plan as arrays that wait for each other. Nothing here has to stay alive while they run."""

from bench.launch.slurm import squeue
from bench.launch.slurm.launcher import launch
from bench.launch.slurm.scripts.show import scripts, show
from bench.launch.slurm.view.view import View

__all__ = ["View", "launch", "scripts", "show", "squeue"]
