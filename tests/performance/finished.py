"""What commands take that compute nothing: a rerun of 400 finished runs, and `plan` and `status` of many to do.

    python -m tests.performance.finished [--against CHECKOUT] [--rounds 7] [--runs 100000] [--finished RESULTS]

CPU seconds of the command and its children, interleaved with those of another checkout where one is given, medians.
The finished runs are done first, for real, which takes some minutes, or lie in RESULTS from an earlier call.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.performance.steal import Steal

HERE = Path(__file__).parents[2]
FINISHED = """
name: finished
dataset: digits
ancestor: {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}, train: {epochs: 1, batch_size: 64}}
targets: [{depth: [1, 2, 3, 4]}]
methods:
  random: {}
  weight_selection: {}
  sws: {stages: 1}
  mixture_growth: {templates: 2}
  wave: {templates: 2, template_size: 8, scaler_steps: 2}
train: {epochs: 2, batch_size: 256}
seeds: 20
"""
MANY = """
name: many
dataset: digits
ancestor: {{model: {{embed_dim: 64, depth: 6, num_heads: 2, patch_size: 2}}, train: {{epochs: 5}}}}
targets: [{{depth: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]}}]
methods:
  random: {{}}
  random2: {{use: random, runs: {{epochs: 2}}}}
  random3: {{use: random, runs: {{epochs: 3}}}}
  weight_selection: {{}}
  weight_selection2: {{use: weight_selection, runs: {{epochs: 2}}}}
  mixture_growth: {{}}
  mixture_growth2: {{use: mixture_growth, runs: {{epochs: 3}}}}
  mixture_growth3: {{use: mixture_growth, runs: {{epochs: 2}}}}
  wave: {{}}
  wave2: {{use: wave, runs: {{epochs: 3}}}}
train: {{epochs: 5}}
seeds: {seeds}
"""


def bench(checkout: Path, *arguments: object) -> float:
    """CPU seconds of a command of a checkout."""
    before = os.times()
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=checkout, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--against", type=Path, metavar="CHECKOUT")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--runs", type=int, default=100_000)
    options.add_argument("--finished", type=Path, metavar="RESULTS")
    given = options.parse_args()
    sides = {"here": HERE} | ({"against": given.against.resolve()} if given.against else {})
    with tempfile.TemporaryDirectory() as name, Steal() as steal:
        folder = Path(name)
        done, many = folder / "finished.yaml", folder / "many.yaml"
        done.write_text(FINISHED)
        many.write_text(MANY.format(seeds=given.runs // 200))
        if not given.finished:
            bench(HERE, "run", done, "--results", folder / "made")
        for side, checkout in sides.items():  # results of its own for each, which it has seen once
            shutil.copytree(given.finished or folder / "made", folder / side)
            bench(checkout, "run", done, "--results", folder / side)
        cases = {
            "rerun of 400 finished runs": lambda side: ("run", done, "--results", folder / side),
            f"plan of {given.runs:,} runs": lambda side: ("plan", many, "--results", folder / "none"),
            f"status of {given.runs:,} runs": lambda side: ("status", many, "--results", folder / "none"),
        }
        for case, arguments in cases.items():
            seconds: dict[str, list[float]] = {side: [] for side in sides}
            for i in range(given.rounds):
                for side in list(sides)[:: 1 if i % 2 else -1]:
                    seconds[side].append(bench(sides[side], *arguments(side)))
            text = ", ".join(
                f"{s} {statistics.median(v):.2f} ({min(v):.2f} to {max(v):.2f})" for s, v in seconds.items()
            )
            print(f"{case}: CPU s {text}", flush=True)
    print(f"medians of {given.rounds} interleaved rounds; steal {steal.percent:.0f}%")


if __name__ == "__main__":
    main()
