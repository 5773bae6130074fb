"""Seeded faults of a cluster: a node dies, the controller dies, jobs are preempted, workers and followers are killed.

    python -m tests.chaos.slurm_faults --seeds 10 [--first 0] [--out FILE]

Brings up the test cluster (tests/slurm/cluster.py), gives it a small suite, does its harm at a moment that the seed
chooses, and repeats `bench run` until all is done; then the checks of trial.py hold. About a minute a seed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.chaos import forked, trial
from tests.slurm.cluster import Cluster

SECTION = "slurm: {{partition: low, memory: 1900MB, time: 10, runs_per_job: {pack}, retries: {{died: 2}}}}\n"


def kill_node(cluster: Cluster, draw: random.Random) -> None:
    """slurmd and all that runs on the node, without a word; it comes back later."""
    node = draw.choice(cluster.node_names)
    cluster.kill_node(node)
    time.sleep(draw.uniform(0, 25))
    cluster.start_node(node)


def kill_slurmd(cluster: Cluster, draw: random.Random) -> None:
    """The daemon alone: what it started runs on."""
    node = draw.choice(cluster.node_names)
    for process in cluster.processes(node):
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("slurmd"):
                process.kill()
    time.sleep(draw.uniform(0, 5))
    cluster.start_node(node)


def kill_controller(cluster: Cluster, draw: random.Random) -> None:
    cluster.kill_controller()
    time.sleep(draw.uniform(0, 5))
    cluster.start_controller()


def preempt(cluster: Cluster, draw: random.Random) -> None:
    node = draw.choice(cluster.node_names)
    options = ("--partition=high", "--exclusive", f"--nodelist={node}", "--output=/dev/null", "--wrap=sleep 2")
    cluster.call("sbatch", *options)


def kill_worker(cluster: Cluster, draw: random.Random) -> None:
    """Any one process of any job: batch script, srun's worker, warm process or one of its children."""
    found = []
    for process in cluster.processes():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith(("python", "sh", "bash", "slurm_script")):
                found.append(process)
    with contextlib.suppress(psutil.Error, IndexError):
        draw.choice(found).kill()


def requeue(cluster: Cluster, draw: random.Random) -> None:
    """As an administrator does it: without a warning."""
    running = cluster.call("squeue", "-h", "-t", "R", "-o", "%A").split()
    if running:
        cluster.call("scontrol", "requeue", draw.choice(running), check=False)


FAULTS: tuple[Callable[[Cluster, random.Random], None], ...] = (
    kill_node,
    kill_slurmd,
    kill_controller,
    preempt,
    kill_worker,
    requeue,
)


def run(seed: int, cluster: Cluster, folder: Path, reference: trial.Undisturbed) -> trial.Trial:
    draw = random.Random(seed)
    fault, point = FAULTS[seed % len(FAULTS)], draw.random()
    home = folder / str(seed)
    home.mkdir()
    suite, results = home / "tiny.yaml", home / "results"
    suite.write_text(trial.SUITE + SECTION.format(pack=draw.choice((1, 3))))
    log = folder / f"{seed}.txt"
    command = ("run", suite, "--launcher", "slurm", "--results", results)
    first = forked.bench(*command, log=log)
    trial.wait_until(first, results, point * reference.logged)
    struck, kept = first.poll() is None, trial.finished(results)
    if draw.random() < 0.3:  # who follows dies too: nothing depends on it
        forked.end(first)
    if struck:
        fault(cluster, draw)
    codes = [trial.patient(first)]
    while codes[-1] != 0 and len(codes) <= trial.RERUNS:
        cluster.wait(cluster.alive, seconds=60)
        codes.append(trial.patient(forked.bench(*command, log=log)))
    problems = trial.check(results, reference, kept, [], codes)
    cluster.clear()
    outcome = f"exit {', '.join(map(str, codes))}" if struck else "over before"
    return trial.Trial(seed, f"slurm: {fault.__name__.replace('_', ' ')}", point, outcome, len(codes) - 1, problems)


def main() -> int:
    from tests.chaos.run import COLUMNS, line

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=6)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--out", type=Path, help="append the rows of the table to this file")
    given = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    cluster = Cluster(Path(f"/tmp/slurm-chaos-{os.getpid()}")).up()
    os.environ |= cluster.env() | {"OMP_NUM_THREADS": "1"}
    try:
        trial.PATIENCE = 400.0
        forked.warm_up()
        reference = trial.undisturbed(folder)
        print(COLUMNS)
        trials = []
        for seed in range(given.first, given.first + given.seeds):
            trials.append(run(seed, cluster, folder, reference))
            print(line(trials[-1]), flush=True)
            if given.out:
                with given.out.open("a") as file:
                    file.write(line(trials[-1]) + "\n")
    finally:
        cluster.down()
    bad = [t for t in trials if t.problems]
    print(f"{len(trials)} faults, {len(bad)} with a problem{f'; see {folder}' if bad else ''}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
