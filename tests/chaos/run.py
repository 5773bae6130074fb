"""Seeded faults in small suites, as many as there is time for.

    python -m tests.chaos.run --seeds 200 [--first 0] [--kind "kill worker"] [--out results/reference/chaos.md]

Each seed is a fault of some kind at some point of a suite that two local workers run; then the command is repeated
until it ends well, and runs.csv has to be that of an undisturbed run. A failed seed leaves its output in the folder
named at the end. Filling the disk wants root (a tmpfs is mounted). `bench` has to be importable (PYTHONPATH=.).
"""

from __future__ import annotations

import argparse
import collections
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

from bench import provenance
from tests.chaos import forked, trial
from tests.chaos.faults import FAULTS

COLUMNS = "| seed | fault | at | commands | in the end |\n| ---: | --- | ---: | --- | --- |"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--kind", choices=FAULTS)
    options.add_argument("--out", type=Path, help="write the table here, as Markdown")
    given = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    forked.warm_up()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    reference, began, trials = trial.undisturbed(folder), time.monotonic(), []
    print(COLUMNS)
    for seed in range(given.first, given.first + given.seeds):
        trials.append(trial.run(seed, folder, reference, given.kind))
        print(line(trials[-1]), flush=True)
        if given.out:
            given.out.write_text(page(trials, time.monotonic() - began))
    bad = [t for t in trials if t.problems]
    print(f"{len(trials)} faults, {len(bad)} with a problem{f'; see {folder}' if bad else ''}")
    return 1 if bad else 0


def line(t: trial.Trial) -> str:
    end = "; ".join(t.problems) or "as undisturbed"
    return f"| {t.seed} | {t.kind} | {t.point:.2f} | {t.outcome} | {end} |"


def page(trials: list[trial.Trial], seconds: float) -> str:
    """The table, with what it was made by."""
    kinds = collections.Counter(t.kind for t in trials)
    bad = sum(bool(t.problems) for t in trials)
    last = trials[-1].seed
    return "\n".join(
        [
            "# Seeded faults",
            "",
            f"`python -m tests.chaos.run --first {trials[0].seed} --seeds {len(trials)}`: {seconds / 60:.0f} minutes",
            f"on {os.cpu_count()} cores ({platform.system()}), code {provenance.code()['git_sha'][:12]}.",
            "",
            f"{len(trials)} faults (seeds {trials[0].seed} to {last}), {bad} with a problem: a result lost, wrong, or "
            "made again after it was done, or a runs.csv other than the undisturbed one.",
            "",
            *(f"- {kind}: {n}" for kind, n in kinds.items()),
            "",
            "At: how much of an undisturbed run's log was written when the fault struck. Commands: exit codes of the",
            "disturbed command and of its repetitions; `over before`: all was done before the fault could strike.",
            "",
            COLUMNS,
            *map(line, trials),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
