"""Two local workers against one, and what a job costs a warm worker beyond its computation.

    python -m tests.performance.throughput [--rounds 7] [--runs 12] [--only overhead]

Throughput: equal runs, started together, wall time between the first start and the last end as the logs tell, so that
importing torch is left out; interleaved rounds, median of ratios. Overhead: runs of no epoch against the same work
done by hand in one process.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.store.log import read as read_log
from tests.performance.steal import Steal

SUITE = """
name: throughput
dataset: digits
targets: [{{embed_dim: 64, depth: 4, num_heads: 2, patch_size: 2}}]
methods: {{random: {{}}}}
train: {{epochs: {epochs}, batch_size: 32}}
seeds: {runs}
"""


def run(folder: Path, jobs: int, runs: int, epochs: int) -> tuple[float, float]:
    """(seconds from the first run's start to the last one's end, seconds of computation in all runs)."""
    suite, results = folder / "suite.yaml", folder / "results"
    suite.write_text(SUITE.format(runs=runs, epochs=epochs))
    command = [sys.executable, "-m", "bench", "run", str(suite), "--results", str(results), "--jobs", str(jobs)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    events = [e for log in results.glob("jobs/run/*/log.jsonl") for e in read_log(log)]
    starts = [e["time"] for e in events if e["event"] == "start"]
    ends = [e["time"] for e in events if e["event"] == "done"]
    assert len(starts) == len(ends) == runs
    return max(ends) - min(starts), sum(ends) - sum(starts)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--runs", type=int, default=12)
    options.add_argument("--epochs", type=int, default=5)
    options.add_argument("--many", type=int, default=0, help="instead: so many runs without training, two workers")
    given = options.parse_args()
    if given.many:
        return many(given.many)
    ratios = []
    with Steal() as steal:
        for i in range(given.rounds):
            seconds = {}
            for jobs in (1, 2) if i % 2 else (2, 1):
                with tempfile.TemporaryDirectory() as folder:
                    seconds[jobs], _ = run(Path(folder), jobs, given.runs, given.epochs)
            ratios.append(seconds[1] / seconds[2])
            print(f"one worker {seconds[1]:.1f} s, two {seconds[2]:.1f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f} over {given.rounds} rounds; steal {steal.percent:.0f}%")
    return None


def many(runs: int) -> None:
    """Runs that only evaluate: what two workers take against the computation itself."""
    with Steal() as steal, tempfile.TemporaryDirectory() as folder:
        clock = time.monotonic()
        span, inside = run(Path(folder), 2, runs, 0)
        total = time.monotonic() - clock
    ideal = inside / 2
    print(f"{runs} runs of {inside / runs:.3f} s: {span:.1f} s, ideal {ideal:.1f} s, ratio {span / ideal:.2f}")
    print(f"beyond its computation a job costs a worker {2 * span / runs - inside / runs:.3f} s")
    print(f"whole command {total:.1f} s; steal {steal.percent:.0f}%")


if __name__ == "__main__":
    main()
