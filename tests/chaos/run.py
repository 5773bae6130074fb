"""Seeded faults in small suites and their reports, as many as there is time for.

    python -m tests.chaos.run --seeds 200 [--first 0] [--kind "kill worker"] [--out results/reference/chaos.md]
    python -m tests.chaos.run --each 20 --state FILE [--share 1/2] [--out FILE]

Each seed is a fault of some kind at some point of a suite that two local workers run, or of its report; then the
command is repeated until it ends well, and runs.csv, or the report, has to be the undisturbed one. --each: so many
seeds of each kind, the newest kinds first. --state: what is done is kept in this file, and not done again. --share i/n:
every n-th of them, for n processes side by side. A failed seed leaves its output in the folder named at the end. Wants
root or user namespaces (file systems are mounted, which nobody else sees) and a C compiler (see shim.py). `bench` has
to be importable (PYTHONPATH=.).
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from bench import provenance
from tests.bench import pictures
from tests.chaos import faults, forked, report_trial, shim, trial

KINDS = (*report_trial.FAULTS, *faults.FAULTS)
COLUMNS = "| seed | fault | at | commands | in the end |\n| ---: | --- | ---: | --- | --- |"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--kind", choices=KINDS)
    options.add_argument("--each", type=int)
    options.add_argument("--state", type=Path)
    options.add_argument("--share", default="1/1")
    options.add_argument("--out", type=Path, help="write the table here, as Markdown")
    options.add_argument("--few-pictures", action="store_true", help="reports draw two, in one format")
    given = options.parse_args()
    if shim.VARIABLE not in os.environ:
        begin_again()
    os.environ["OMP_NUM_THREADS"] = "1"
    forked.warm_up()
    if given.few_pictures:
        pictures.few()
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    reference = trial.undisturbed(folder)
    report = report_trial.undisturbed(folder)
    trials, code = read(given.state), provenance.code()["git_sha"][:12]
    print(COLUMNS)
    for seed, kind in left(given, {one.seed for one, _ in trials}):
        if kind in report_trial.FAULTS:
            one = report_trial.run(seed, folder, report, kind)
        else:
            one = trial.run(seed, folder, reference, kind)
        trials.append((one, code))
        print(line(one), flush=True)
        if given.state:
            with given.state.open("a") as file:
                file.write(json.dumps(asdict(one) | {"code": code}) + "\n")
        if given.out:
            given.out.write_text(page(read(given.state) or trials))
    bad = [one for one, _ in trials if one.problems]
    print(f"{len(trials)} faults, {len(bad)} with a problem{f'; see {folder}' if bad else ''}")
    return 1 if bad else 0


def begin_again() -> None:
    """This process anew, with the shim, and with mounts of its own."""
    os.environ |= shim.environment(Path(tempfile.mkdtemp(prefix="chaos-shim-")))
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    words = ["unshare", "--mount", "--propagation", "private", *root]
    os.execvp(words[0], [*words, sys.executable, "-m", "tests.chaos.run", *sys.argv[1:]])


def left(given: argparse.Namespace, done: set[int]) -> list[tuple[int, str]]:
    """(seed, kind) of what is to be done."""
    if given.each:
        all = [(number, KINDS[number // given.each]) for number in range(given.each * len(KINDS))]
    else:
        all = [(number, given.kind or KINDS[number % len(KINDS)]) for number in range(given.seeds)]
    share, shares = map(int, given.share.split("/"))
    return [(given.first + n, kind) for n, kind in all[share - 1 :: shares] if given.first + n not in done]


def read(state: Path | None) -> list[tuple[trial.Trial, str]]:
    """(what was done, by which code)."""
    if state is None or not state.exists():
        return []
    entries = [json.loads(text) for text in state.read_text().splitlines()]
    return sorted(((trial.Trial(**e), code) for e in entries for code in [e.pop("code")]), key=lambda it: it[0].seed)


def line(t: trial.Trial) -> str:
    end = "; ".join(t.problems) or "as undisturbed"
    return f"| {t.seed} | {t.kind} | {t.point:.2f} | {t.outcome} | {end} |"


def page(trials: list[tuple[trial.Trial, str]]) -> str:
    """The table, with what it was made by."""
    ones = [one for one, _ in trials]
    kinds = collections.Counter(one.kind for one in ones)
    before = sum(one.outcome == "over before" for one in ones)
    bad = sum(bool(one.problems) for one in ones)
    codes = collections.Counter(code for _, code in trials)
    return "\n".join(
        [
            "# Seeded faults",
            "",
            f"`python -m tests.chaos.run {' '.join(sys.argv[1:])}` on {os.cpu_count()} cores ({platform.system()}),",
            f"code {', '.join(f'{code} ({n})' for code, n in codes.items())}.",
            "",
            f"{len(ones)} faults (seeds {min(o.seed for o in ones)} to {max(o.seed for o in ones)}), {bad} with a "
            "problem: a result lost, wrong, or made again after it was done, or a runs.csv or a report other than the "
            f"undisturbed one. {before} came when all was over.",
            "",
            *(f"- {kind}: {n}" for kind, n in kinds.items()),
            "",
            "At: how much of an undisturbed run's log, or of a report's files, was written when the fault struck.",
            "Commands: exit codes of the disturbed command and of its repetitions; `over before`: all was done before",
            "the fault could strike.",
            "",
            COLUMNS,
            *(line(one) for one in ones),
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
