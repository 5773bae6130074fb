"""The report of many runs: time and memory of the whole command.

    python -m tests.performance.report_scale [--methods 10] [--sizes 20] [--seeds 50] [--epochs 5] [--rounds 7]
                                             [--against CHECKOUT]

Peak memory is of the largest of the command's processes. Runs are synthetic and lie in one suite. Rounds are
interleaved with those of another checkout where one is given. `--profile` instead shows where the time goes.
"""

import argparse
import cProfile
import os
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.performance.steal import Steal

HERE = Path(__file__).parents[2]


def frames(given: argparse.Namespace, folder: Path) -> int:
    """Write runs.csv and curves.csv; returns the number of runs."""
    from bench.report import write_curves, write_runs
    from tests.bench.report.report_frames import LEVELS, make

    names = list(LEVELS)
    methods = names[: given.methods] + [f"{names[i % len(names)]}_{i}" for i in range(len(names), given.methods)]
    runs, curves = make(methods=methods, depths=range(1, given.sizes + 1), seeds=given.seeds, epochs=given.epochs)
    write_runs(runs, folder / "runs.csv")
    write_curves(curves, folder / "curves.csv")
    return len(runs)


def report(checkout: Path, folder: Path, out: Path) -> tuple[float, float, float]:
    """(wall seconds, CPU seconds, peak MiB) of the command of a checkout."""
    command = [sys.executable, "-m", "bench", "report", "--from", str(folder / "runs.csv"), "--out", str(out)]
    clock = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=checkout, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return time.monotonic() - clock, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def profile(folder: Path, out: Path) -> None:
    from bench.cli import main

    profiler = cProfile.Profile()
    profiler.enable()
    main(["report", "--from", str(folder / "runs.csv"), "--out", str(out)])
    profiler.disable()
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(70)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in {"methods": 10, "sizes": 20, "seeds": 50, "epochs": 5, "rounds": 7}.items():
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--against", type=Path, metavar="CHECKOUT")
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), Path(name) / "out"
        runs = frames(given, folder)
        if given.profile:
            return profile(folder, out)
        sides = {"here": HERE} | ({"against": given.against.resolve()} if given.against else {})
        spent: dict[str, list[tuple[float, float, float]]] = {side: [] for side in sides}
        with Steal() as steal:
            for i in range(given.rounds):
                for side in list(sides)[:: 1 if i % 2 else -1]:
                    wall, cpu, peak = report(sides[side], folder, out)
                    spent[side].append((wall, cpu, peak))
                    print(f"{side}: {runs} runs: {wall:.1f} s, {cpu:.1f} s of CPU, {peak:.0f} MiB", flush=True)
        for side, rounds in spent.items():
            wall, cpu, peak = (statistics.median(values) for values in zip(*rounds, strict=True))
            print(f"{side}: medians of {given.rounds} rounds: {wall:.1f} s, {cpu:.1f} s of CPU, {peak:.0f} MiB")
        sizes = {path.name: path.stat().st_size / 2**20 for path in out.iterdir()}
        print(f"{len(sizes)} files, {sum(sizes.values()):.1f} MiB, of which the page {sizes['report.html']:.1f}")
        print(f"steal {steal.percent:.0f}%")
    return None


if __name__ == "__main__":
    main()
