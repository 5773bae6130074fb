"""Seeded corruptions of every file that is read: of a small results folder with its report, and of a prepared data set.

`python -m tests.chaos.corruptions --seeds 500` prints a table. In each trial one file is damaged, then `status`,
`logs`, `plan` and `run` look at it, and `report` at what is left by a report. None may raise, take longer than LIMIT,
lose a result that was not damaged or end with other numbers; only a `runs.csv` that is all there is can have others.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from bench.cli import main
from bench.files import write_json
from bench.report.folder import MANIFEST
from bench.store import JobDir
from bench.store.lock import is_lock
from tests.bench.jpegs import write_images

if TYPE_CHECKING:
    from pandas import DataFrame

LIMIT = 10  # CPU seconds for a command
PATIENCE = 300  # seconds for one that waits for what never comes
OF_REPORTS = 0.25  # share of the trials that damage what a report wrote
SUITE = """
name: small
dataset: DATA
ancestor: {model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}, train: {epochs: 0}}
targets: [{embed_dim: 16, num_heads: 2, depth: 1}]
methods: {random: {}, weight_selection: {}}
train: {epochs: 0, batch_size: 64}
seeds: 1
"""
SET = "{name: photos, source: folder, root: ROOT, img_size: 16, val_fraction: 0.2, workers: 0}"
DEEP = b"[" * 100_000
INCIDENTAL = ("seconds", "_workers", "started_at", "memory_bytes", "host", "git_sha", "git_dirty", "restarts", "log")
VALUES: tuple[Any, ...] = (None, -1, 10**30, "x", [], {}, True, 1e308, "../../dev/zero", [[]], {"a": 1})


def truncate(path: Path, draw: random.Random) -> None:
    os.truncate(path, draw.randrange(path.stat().st_size + 1))


def flip(path: Path, draw: random.Random) -> None:
    data = bytearray(path.read_bytes() or b"x")
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(data))


def garble(path: Path, draw: random.Random) -> None:
    path.write_bytes(draw.randbytes(draw.choice((1, 100, 5000))))


def empty(path: Path, draw: random.Random) -> None:
    path.write_bytes(b"")


def nest(path: Path, draw: random.Random) -> None:
    path.write_bytes(DEEP)


def to_folder(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def to_pipe(path: Path, draw: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def to_loop(path: Path, draw: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def remove(path: Path, draw: random.Random) -> None:
    path.unlink()


def latin(path: Path, draw: random.Random) -> None:
    path.write_bytes(b"\xe9\xff" + path.read_bytes())


def retype(path: Path, draw: random.Random) -> None:
    """A JSON file of the right checksum and another content: a field is missing, or is something else."""
    try:
        value = json.loads(path.read_text())
        value.pop("sha256")
    except (ValueError, AttributeError, KeyError):
        garble(path, draw)
        return
    parent, key = draw.choice(list(_places(value)))
    if draw.random() < 0.3:
        del parent[key]
    else:
        parent[key] = draw.choice(VALUES)
    write_json(path, value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield value, key
        yield from _places(item)


KINDS: dict[str, Callable[[Path, random.Random], None]] = {
    kind.__name__: kind
    for kind in (truncate, flip, garble, empty, nest, to_folder, to_pipe, to_loop, remove, latin, retype)
}


class Hang(BaseException):
    """A command took longer than LIMIT."""


@dataclass
class Trial:
    seed: int
    kind: str
    file: str
    codes: dict[str, int] = field(default_factory=dict)  # by the command
    problem: str = ""


@dataclass
class Ground:
    """What trials begin with: a folder with a suite, its images, prepared, and its results."""

    folder: Path
    numbers: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def lay(cls, folder: Path, *, prepared: bool) -> Ground:
        data = "digits"
        if prepared:
            write_images(folder / "photos", ["ant", "bee"], {"train": 8, "val": 4})
            data = SET.replace("ROOT", "photos")
        (folder / "small.yaml").write_text(SUITE.replace("DATA", data) + ("prepared: prepared\n" if prepared else ""))
        ground = cls(folder)
        if prepared and (code := ground.command("prepare", "--out", folder / "prepared", "--jobs", "1")[0]):
            raise RuntimeError(f"bench prepare ended with {code}")
        if code := ground.command("run", "--launcher", "inline")[0]:
            raise RuntimeError(f"bench run ended with {code}")
        if code := ground.command("report")[0]:
            raise RuntimeError(f"bench report ended with {code}")
        ground.numbers = ground.table()
        return ground

    def command(self, name: str, *arguments: object, suite: bool = True) -> tuple[int, str]:
        """Run a command on it in this process; returns exit code and output. Raises Hang."""
        words = [name, *([self.folder / "small.yaml"] if suite else []), *arguments]
        words += ["--results", self.folder / "r"]
        output = io.StringIO()
        for number in (signal.SIGALRM, signal.SIGPROF):
            signal.signal(number, _hang)
        signal.alarm(PATIENCE if self.numbers else 0)  # laying the ground imports torch, however long that takes
        signal.setitimer(signal.ITIMER_PROF, LIMIT if self.numbers else 0)
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                return main([str(word) for word in words]), output.getvalue()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)

    def table(self) -> list[dict[str, str]]:
        import csv

        with (self.folder / "r" / "small" / "runs.csv").open() as file:
            rows = list(csv.DictReader(file))
        return [{k: v for k, v in row.items() if not k.endswith(INCIDENTAL)} for row in rows]

    def files(self) -> list[Path]:
        found = [*(self.folder / "r").glob("jobs/*/*/*"), *(self.folder / "r" / "small").rglob("*")]
        found += (self.folder / "prepared").rglob("*")
        return sorted(path for path in found if path.is_file() and not is_lock(path.name))

    def reported(self) -> set[Path]:
        """Those of the files that a report wrote, its manifest among them."""
        folder = self.folder / "r" / "small"
        return {folder / name for name in (*json.loads((folder / MANIFEST).read_text())["files"], MANIFEST)}


def _hang(*_: object) -> None:
    raise Hang


def trial(ground: Ground, seed: int, scratch: Path) -> Trial:
    """Damage a copy of the ground as the seed says, and look at it by every command."""
    draw = random.Random(seed)
    copy = Ground(scratch / "copy", ground.numbers)
    shutil.copytree(ground.folder, copy.folder)
    suite = copy.folder / "small.yaml"
    here, reported = copy.files(), copy.reported()
    if draw.random() < OF_REPORTS:
        path = draw.choice(sorted(reported))
    else:
        path = draw.choice([path for path in here if path not in reported])
    kind = list(KINDS)[seed % len(KINDS)]
    untouched = {file: file.read_bytes() for file in here if file.name == "result.json" and file.parent != path.parent}
    made = Trial(seed, kind, _shown(path, copy.folder))
    if draw.random() < 0.2:
        (path.parent / "lock.3").write_text(json.dumps({"pid": draw.choice((-1, 0, "x", 10**25, os.getpid()))}))
        os.utime(path.parent / "lock.3", (draw.choice((0, 1 << 34)),) * 2)
    KINDS[kind](path, draw)
    # of the right checksum and shape: nobody can tell it from what the job wrote
    forged = kind == "retype" and path.name == "result.json" and JobDir(path.parent).damage() is None
    looks: list[tuple[str, tuple[object, ...], bool]] = [
        ("status", (), True), ("logs", ("*",), False), ("plan", (), True), ("run", ("--launcher", "inline"), True),
        ("status", (), True),
    ]  # fmt: skip
    if path in reported:
        table = copy.folder / "r" / "small" / "runs.csv"
        again = ("report", ("--from", table, "--out", copy.folder / "again"), False)
        looks = [again, ("report", (), True), *looks]
    try:
        for name, arguments, takes_suite in looks:
            code, output = copy.command(name, *arguments, suite=takes_suite)
            made.codes[name] = code
            if code not in (0, 1, 2) or "Traceback" in output and name != "logs":
                made.problem = f"{name}: exit {code}: {output[-200:]!r}"
            if code and not output.strip():
                made.problem = f"{name}: exit {code} without a word"
        if made.codes["run"] == 0 and not forged and copy.table() != ground.numbers:
            made.problem = "other numbers"
        for file, content in untouched.items():
            if not file.is_file() or file.read_bytes() != content:
                made.problem = f"lost: {_shown(file, copy.folder)}"
    except Hang:
        made.problem = f"more than {LIMIT} CPU seconds, or {PATIENCE} s"
    except BaseException as error:  # what a user would see as a traceback
        made.problem = f"{type(error).__name__}: {error}"
    finally:
        assert suite.is_file()
        shutil.rmtree(copy.folder, ignore_errors=True)
    return made


@contextlib.contextmanager
def remembered_reports() -> Iterator[None]:
    """Analyse and write the same rows once, and draw nothing: that takes seconds, and reads none of the files."""
    from bench.report import write
    from bench.report.tables import terminal

    wrote: dict[str, dict[str, bytes]] = {}
    printed: set[str] = set()

    def once(runs: DataFrame, curves: DataFrame, training: DataFrame, out: Path, *rest: Any) -> list[Path]:
        rows = "".join(map(_same, (runs, curves, training)))
        if rows not in wrote:
            paths = real_write(runs, curves, training, out, *rest)
            wrote[rows] = {path.name: path.read_bytes() for path in paths}
        for name, content in wrote[rows].items():
            (out / name).write_bytes(content)
        return [out / name for name in wrote[rows]]

    def print_once(runs: DataFrame, console: Any) -> None:
        if (rows := _same(runs)) not in printed:
            real_print(runs, console)
            printed.add(rows)

    real_write, real_print = write._write, terminal.print_table
    with (
        patch.object(write, "_write", once),
        patch.object(write, "begun", lambda *_: contextlib.nullcontext(list)),
        patch.object(terminal, "print_table", print_once),
    ):
        yield


def _same(frame: DataFrame) -> str:
    return frame[[name for name in frame if not name.endswith(INCIDENTAL)]].to_csv()


def _shown(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).parts
    return "/".join((*parts[:3], "ID", *parts[4:]) if parts[:2] == ("r", "jobs") else parts)


def trials(seeds: range) -> Iterator[Trial]:
    """Odd seeds damage results of digits, even ones a prepared data set and its results."""
    with tempfile.TemporaryDirectory() as name, remembered_reports():
        folder = Path(name)
        grounds = []
        for prepared in (True, False):
            (folder / str(prepared)).mkdir()
            grounds.append(Ground.lay(folder / str(prepared), prepared=prepared))
        for seed in seeds:
            yield trial(grounds[seed % 2], seed, folder)


def table(done: list[Trial]) -> str:
    """Markdown: per kind the number of trials, of exit codes of `run`, and of problems; then each problem."""
    lines = [
        "| corruption | trials | run: 0 | run: 1 | run: 2 | problems |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind in KINDS:
        own = [one for one in done if one.kind == kind]
        codes = Counter(one.codes.get("run") for one in own)
        wrong = sum(bool(one.problem) for one in own)
        lines.append(f"| {kind.replace('_', ' ')} | {len(own)} | {codes[0]} | {codes[1]} | {codes[2]} | {wrong} |")
    lines += ["", *(f"- seed {one.seed}: {one.kind} of {one.file}: {one.problem}" for one in done if one.problem)]
    return "\n".join(lines)


def run() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    done, began = [], time.monotonic()
    for one in trials(range(options.first, options.first + options.seeds)):
        done.append(one)
        if one.problem:
            print(f"seed {one.seed}: {one.kind} of {one.file}: {one.problem}", file=sys.stderr, flush=True)
    print(f"{len(done)} corruptions in {time.monotonic() - began:.0f} s\n\n{table(done)}")


if __name__ == "__main__":
    run()
