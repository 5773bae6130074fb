"""How long submitting many runs takes, and `bench status` of many jobs.

    SLURM_CONF=... python -m tests.performance.slurm_scale [--runs 1000] [--jobs 10000]

Needs a Slurm (`tests/slurm/cluster.py up`); what is submitted is cancelled at once. Status is measured on jobs of which
half are done, with the files that real ones have.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.plan import make_plan
from bench.store import Store
from bench.suite import load

SUITE = """
name: scale
dataset: digits
targets: [{{embed_dim: 64, depth: 4, num_heads: 2, patch_size: 2}}]
methods: {{random: {{}}}}
train: {{epochs: 1}}
seeds: {seeds}
slurm: {{partition: {partition}}}
"""


def bench(*arguments: object) -> tuple[str, str]:
    """(what it took, output) of a command that ends well. CPU seconds say more where the machine has other work."""
    began, before = time.monotonic(), os.times()
    done = subprocess.run([sys.executable, "-m", "bench", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    seconds, after = time.monotonic() - began, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return f"{seconds:.2f} s ({cpu:.2f} CPU s)", done.stdout


COST = {"images": 0, "flops": 0, "seconds": 0.0}
# all that a result of any kind has to say
RESULT = {
    **dict.fromkeys(("restarts", "params", "epochs", "stored_params", "stored_bytes", "teacher_params"), 0),
    **dict.fromkeys(("top1", "top5", "loss", "val_top1", "top1_init", "best_top1"), 50.0),
    **dict.fromkeys(("cost", "init_cost", "train_cost"), COST),
    "needs": [],
    "classes": None,
    "evals": [{"epoch": 0, "step": 0, "top1": 1.0}] * 10,
}


def fill(suite: Path, results: Path) -> None:
    """Give half of the runs what a done job leaves."""
    plan, store = make_plan(load(suite)), Store(results)
    for i, job in enumerate(plan.jobs.values()):
        if i % 2 == 0:
            folder = store.job(job)
            folder.append_log("start")
            folder.write_settings(job.settings)
            folder.write_result(RESULT | {"kind": job.kind}, [])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--jobs", type=int, default=10_000)
    options.add_argument("--partition", default="normal")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "suite.yaml"
        suite.write_text(SUITE.format(seeds=given.runs, partition=given.partition))
        slurm = ("--launcher", "slurm", "--detach", "--results", folder / "submitted")
        seconds, out = bench("run", suite, *slurm)
        print(f"submitting {given.runs} runs: {seconds} ({out.splitlines()[1].partition(' (')[0]})")
        seconds, _ = bench("status", suite, "--results", folder / "submitted")
        print(f"their status: {seconds}")
        bench("cancel", suite, "--results", folder / "submitted")
        suite.write_text(SUITE.format(seeds=given.jobs, partition=given.partition))
        fill(suite, folder / "results")
        for attempt in ("first", "second"):
            seconds, out = bench("status", suite, "--results", folder / "results")
            print(f"status of {given.jobs} jobs, {attempt} look: {seconds}")


if __name__ == "__main__":
    main()
