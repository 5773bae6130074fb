"""How Slurm is told: sbatch scripts, shown or submitted."""
