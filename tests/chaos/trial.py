"""One seeded fault in a small suite, reruns until all is done, and what must hold then."""

from __future__ import annotations

import contextlib
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.store import JobDir
from bench.store.log import read as read_log
from tests.bench import tiny
from tests.chaos.faults import FAULTS
from tests.chaos.forked import Forked, bench

SUITE = """
name: tiny
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {steps: 30, eval_every: 10, batch_size: 32, augment: {shift: 1}}
targets:
  - {embed_dim: 16, num_heads: 2, depth: 1}
methods:
  random: {}
  sws: {stages: 2}
  wave: {templates: 2, template_size: 8, scaler_steps: 5}
train: {steps: 30, eval_every: 10, batch_size: 32}
checkpoint: {seconds: 0.02}
device: cpu
"""
RERUNS = 4
SIZE = "24m"  # of the tmpfs
PATIENCE = 600.0  # seconds for a command


@dataclass
class Trial:
    seed: int
    kind: str
    point: float  # share of what an undisturbed run writes to its logs
    outcome: str
    reruns: int
    problems: list[str]


@dataclass
class Undisturbed:
    """What a trial is held against: the rows of runs.csv, and how much the logs took."""

    rows: list[dict[str, str]]
    logged: int


def undisturbed(folder: Path) -> Undisturbed:
    suite, results = tiny.write(folder, SUITE), folder / "undisturbed"
    launcher = bench("run", suite, "--launcher", "inline", "--results", results, log=folder / "log.txt")
    assert launcher.wait(PATIENCE) == 0, (folder / "log.txt").read_text()
    return Undisturbed(tiny.numbers(results), logged(results))


def run(seed: int, folder: Path, reference: Undisturbed, kind: str | None = None) -> Trial:
    """A trial in a fresh folder below `folder`. kind: by the seed unless given."""
    draw = random.Random(seed)
    kind = kind or list(FAULTS)[seed % len(FAULTS)]
    point = draw.random()
    with place(folder, small=kind == "fill disk") as home:
        suite, results, log = tiny.write(home, SUITE), home / "results", folder / f"{seed}.txt"
        command = ("run", suite, "--jobs", "2", "--results", results)
        first = bench(*command, log=log)
        wait_until(first, results, point * reference.logged)
        struck = first.poll() is None
        kept = finished(results)
        damaged = FAULTS[kind](first, results, draw) if struck else []
        codes = [patient(first)]
        while codes[-1] != 0 and len(codes) <= RERUNS:
            codes.append(patient(bench(*command, log=log)))
        if damaged and codes == [0]:
            codes.append(patient(bench(*command, log=log)))
        problems = check(results, reference, kept, damaged, codes)
    if not problems:
        log.unlink()
    outcome = f"exit {', '.join(map(str, codes))}" if struck else "over before"
    return Trial(seed, kind, point, outcome, len(codes) - 1, problems)


def check(
    results: Path, reference: Undisturbed, kept: dict[Path, bytes], damaged: list[Path], codes: list[int]
) -> list[str]:
    """What is wrong in the end: nothing may be lost, wrong, or done again after it was done."""
    problems = [] if codes[-1] == 0 else [f"not done after {RERUNS} reruns"]
    with contextlib.suppress(OSError, AssertionError):
        if tiny.numbers(results) == reference.rows:
            hurt = {path.parent for path in damaged}
            for path, content in kept.items():
                if path.parent not in hurt and (not path.exists() or path.read_bytes() != content):
                    problems.append(f"{path}: a finished result is another now")
            for path in results.glob("jobs/*/*/log.jsonl"):
                if ".damaged-" in path.parent.name:  # set aside, kept for whoever wants to look
                    continue
                events = [event["event"] for event in read_log(path)]
                done = events.index("done") if "done" in events else len(events)  # killed before it could say so
                if path.parent not in hurt and "start" in events[done:]:
                    problems.append(f"{path.parent.name}: done again after it was done")
                if JobDir(path.parent).damage():
                    problems.append(f"{JobDir(path.parent).damage()}")
            return problems
    return [*problems, "runs.csv differs from the undisturbed one"]


def wait_until(launcher: Forked, results: Path, size: float) -> None:
    while launcher.poll() is None and logged(results) < size:
        time.sleep(0.005)


def logged(results: Path) -> int:
    total = 0
    for path in results.glob("jobs/*/*/log.jsonl"):
        with contextlib.suppress(OSError):
            total += path.read_text().count('"eval"') + 1
    return total


def finished(results: Path) -> dict[Path, bytes]:
    found = {}
    for path in results.glob("jobs/*/*/result.json"):
        with contextlib.suppress(OSError):
            found[path] = path.read_bytes()
    return found


def patient(launcher: Forked) -> int:
    """Its exit code; what hangs is killed, which counts as another failure."""
    from tests.chaos.forked import end

    try:
        return launcher.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        end(launcher)
        return 124


@contextlib.contextmanager
def place(folder: Path, *, small: bool) -> Iterator[Path]:
    """A fresh folder; a small one is a tmpfs of its own (wants root)."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as name:
        if small:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", name], check=True)
        try:
            yield Path(name)
        finally:
            if small:
                subprocess.run(["umount", "--lazy", name], check=True)
