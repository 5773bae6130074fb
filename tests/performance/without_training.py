"""What a run without training takes beyond its two evaluations, in CPU seconds of one warm process.

    python -m tests.performance.without_training [--against CHECKOUT] [--rounds 7] [--runs 100]

Each round is a process that does the runs inline, after as many to warm up; medians, in turning order with those of
another checkout where one is given.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.performance.steal import Steal

HERE = Path(__file__).parents[2]
SUITE = """
name: untrained
dataset: digits
targets: [{{embed_dim: 64, depth: 6, num_heads: 2, patch_size: 2}}]
methods: {{random: {{}}}}
train: {{epochs: 0}}
seeds: {seeds}
"""
ROUND = """
import os, sys, time
os.environ["OMP_NUM_THREADS"] = "1"
import bench.cli
import bench.train.evaluate as module
spent = []
def timed(*arguments, _evaluate=module.evaluate, **options):
    begin = time.process_time()
    value = _evaluate(*arguments, **options)
    spent.append(time.process_time() - begin)
    return value
module.evaluate = timed
for suite in sys.argv[1:]:
    spent.clear()
    begin = time.process_time()
    assert bench.cli.main(["run", suite, "--results", suite + ".results", "--launcher", "inline"]) == 0
    whole = time.process_time() - begin
print(whole, sum(spent), len(spent), file=sys.stderr)
"""


def seconds(checkout: Path, runs: int) -> tuple[float, float]:
    """(CPU seconds of a run beyond its evaluations, of these)."""
    with tempfile.TemporaryDirectory() as folder:
        suites = [Path(folder, name) for name in ("cold.yaml", "warm.yaml")]
        for suite in suites:
            suite.write_text(SUITE.format(seeds=runs))
        command = [sys.executable, "-c", ROUND, *map(str, suites)]
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    whole, evaluations, number = map(float, done.stderr.split()[-3:])
    assert number == 2 * runs, f"{number:.0f} evaluations of {runs} runs"
    return (whole - evaluations) / runs, evaluations / runs


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", type=Path)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--runs", type=int, default=100)
    given = options.parse_args()
    checkouts = [HERE, *([given.against.resolve()] if given.against else [])]
    taken: dict[Path, list[tuple[float, float]]] = {checkout: [] for checkout in checkouts}
    with Steal() as steal:
        for number in range(given.rounds):
            for checkout in checkouts[:: -1 if number % 2 else 1]:
                taken[checkout].append(seconds(checkout, given.runs))
    for checkout, rounds in taken.items():
        beyond, evaluations = (statistics.median(values) for values in zip(*rounds, strict=True))
        spread = f"{min(b for b, _ in rounds):.4f} to {max(b for b, _ in rounds):.4f}"
        where = "this version" if checkout == HERE else "against"
        print(f"{where}: {beyond:.4f} ({spread}) CPU s beyond two evaluations of {evaluations:.4f} together")
    print(f"{given.rounds} rounds of {given.runs} runs; steal {steal.percent:.0f}%, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
