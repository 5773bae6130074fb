"""One seeded fault while `bench report` writes: its disk is full, or read-only, from the middle on."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bench.report.folder import LEFT, MANIFEST
from tests.bench import tiny
from tests.chaos import trial
from tests.chaos.faults import fill, remount
from tests.chaos.forked import Forked, bench

NUMBERS = (".csv", ".md", ".tex")  # what two reports of the same results have the same
SAYS = (os.strerror(errno.ENOSPC), os.strerror(errno.EROFS))


def full(home: Path) -> Callable[[], None]:
    filler = fill(home)
    return lambda: filler.unlink(missing_ok=True)


def read_only(home: Path) -> Callable[[], None]:
    remount(home, "ro")
    return lambda: remount(home, "rw")


FAULTS = {"full disk in report": full, "read-only in report": read_only}  # each returns what undoes it


def undisturbed(folder: Path) -> dict[str, bytes]:
    """Report the undisturbed results; returns what the files are to hold, by their names, none of what may differ."""
    out = folder / "report"
    log = folder / "report.txt"
    assert bench("report", folder / "tiny.yaml", "--results", folder / "undisturbed", "--out", out, log=log).wait() == 0
    return contents(out)


def run(seed: int, folder: Path, reference: dict[str, bytes], kind: str) -> trial.Trial:
    """A trial of a copy of the undisturbed results; half of the time an earlier report of a part of them is there."""
    draw = random.Random(seed)
    point = draw.random()
    with trial.place(folder, small=True) as home:
        suite, results, log = tiny.write(home, trial.SUITE), home / "results", folder / f"{seed}.txt"
        shutil.copytree(folder / "undisturbed", results)
        out = home / "report"
        command = ("report", suite, "--results", results, "--out", out)
        if draw.random() < 0.5:
            assert bench(*command, "--only", "*wave*", log=log).wait(trial.PATIENCE) == 0
        earlier, kept = contents(out), trial.finished(results)
        log.write_text("")
        first = bench(*command, log=log)
        wait_until(first, out, point * len(reference))
        struck = first.poll() is None
        undo = FAULTS[kind](home) if struck else lambda: None
        codes = [trial.patient(first)]
        said, after = log.read_text(), contents(out)
        undo()
        codes.append(trial.patient(bench(*command, log=log)))
        problems = []
        if codes[0] and not any(f"{words}\n" in said for words in SAYS) or "Traceback" in said:
            problems.append(f"it ended with {said[-200:]!r}")
        if codes[0] and after != earlier:
            problems.append("the earlier report is another one")
        if codes[1] or contents(out) != reference:
            problems.append("the report differs from the undisturbed one")
        if trial.finished(results) != kept:
            problems.append("a result is another now")
    if not problems:
        log.unlink()
    outcome = f"exit {', '.join(map(str, codes))}" if struck else "over before"
    return trial.Trial(seed, kind, point, outcome, len(codes) - 1, problems)


def contents(out: Path) -> dict[str, bytes]:
    """The files of a report by their names, with the bytes of those that hold numbers; a killed one's are none."""
    with contextlib.suppress(FileNotFoundError):
        files = [path for path in sorted(out.iterdir()) if not LEFT.fullmatch(path.name) and path.name != MANIFEST]
        return {path.name: path.read_bytes() if path.suffix in NUMBERS else b"" for path in files}
    return {}


def wait_until(report: Forked, out: Path, files: float) -> None:
    """Until so many files are written."""
    while report.poll() is None and sum(1 for _ in out.glob(".report.*.tmp/*")) < files:
        time.sleep(0.005)
