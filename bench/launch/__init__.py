"""Launchers: they bring the jobs of a plan to workers in the right order. `inline`, `local`, `slurm`."""
