"""learngene-bench: compares ways to initialize Vision Transformers of any depth and width.

A suite file becomes a table in one direction. The folders, in the order of that flow:

    suite/      the suite file: loaded, checked whole, resolved; yaml_lines.py knows the line of each key, problems.py
                makes of it and of a mistake the message with file, line and key
    recipes/    how models are trained
    data/       images: settings, fingerprints, sources, preparing, what is done on the device
    plan/       from a suite to its jobs
    jobs/       what a job is: one module for each kind (ancestor.py, learngene.py, start.py, run.py), with its identity
                (`depends_on`; hashed by the plan), its estimate and its work; in parts/ what kinds share
    store/      the results directory: job folders and their file names, logs, locks
    launch/     inline, local, slurm: jobs to workers, in the right order; SIGTERM and Slurm's warning are heard here
    worker/     one job in its process: its lock, its work, its result or failure, the wish to stop
    train/      fit.py is the one training loop, which saves and stops when preempted; flops.py counts FLOPs; lab.py
                is the Lab that methods see
    results/    states of jobs, rows of runs.csv
    report/     from runs.csv to tables, pictures and the page; imports nothing that computes
    export/     models out: folders that timm loads, of what jobs left and of starts made on the spot
    track/      results and logs, replayed into TensorBoard and the like: one module for each tool
    room/       what a results folder holds that nobody misses
    commands/   one module for each command; cli.py has their options; doctor/ and probe/ look at the machine; api.py
                and notebook.py are for notebooks
    console/    where commands and workers begin: the project's own packages first, the working directory last

Below all of them: errors, output, words, identity (hashes), randomness (seeds), files (atomic, with checksums), shapes
(what a JSON file must hold), models (their sizes, parameters and FLOPs in closed form), processes (forked ones),
collector (of cycles), provenance. Which may import which is the list in pyproject.toml, which import-linter checks.

Read first: `jobs/run.py` (what a run does), then `train/fit.py` (the loop); `methods/base.py` for what a method is.
"""

__version__ = "0.1.0"

# Raise when the meaning of training or a default changes: every identity depends on it.
ENGINE = 2
