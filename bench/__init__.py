"""learngene-bench: compares ways to initialize Vision Transformers of any depth and width.

A suite file becomes a table in one direction. The folders, in the order of that flow:

    suite/      the suite file: loaded, checked whole, resolved
    recipes/    how models are trained
    data/       images: settings, sources, preparing, what is done on the device
    jobs/       what a job is: one module for each kind, with its identity, its estimate and its work
    plan/       from a suite to its jobs
    store/      the results directory: job folders, logs, locks
    launch/     inline, local, slurm: jobs to workers, in the right order
    worker/     one job: its lock, its work, its result or failure
    train/      the one training loop, and the Lab that methods see
    results/    states of jobs, rows of runs.csv
    report/     from runs.csv to tables, pictures and the page; imports nothing that computes
    commands/   one module for each command; doctor/ and probe/ look at the machine

Below all of them: errors, output, identity (hashes), files (atomic, with checksums), models (sizes and their counts),
provenance. A package imports only what stands below it in pyproject.toml's list; import-linter checks that.

Read first: `jobs/run.py` (what a run does), then `train/fit.py` (the loop); `methods/base.py` for what a method is.
"""

__version__ = "0.1.0"

# Raise when the meaning of training or a default changes: every identity depends on it.
ENGINE = 2
