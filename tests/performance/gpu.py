"""Everything that can only be measured on a GPU, in one command of at most ten minutes.

    python -m tests.performance.gpu [--parts memory shards ...] [--out results/reference]

The machine needs what `pip install -e .` brings, a C compiler for torch.compile, and this checkout as working folder;
for MPS also nvidia-cuda-mps-control. Writes gpu.csv and gpu.md to the folder `--out` (name one where files come back
from the machine only from there) after every row: a number, with its target where there is one. Each part is a process
of its own with a share of the time: what it has measured stays where it fails, its time is up, or SIGTERM ends all, and
the page says so. Where there is no GPU nothing is written.
"""

import argparse
import csv
import io
import multiprocessing
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, suppress
from importlib.metadata import version
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import torch

from bench.files import write_bytes
from bench.processes import die_with_parent
from bench.provenance import code
from tests.performance.gpu_parts import FAILED, PARTS, REAL, Row, Size

PATIENCE = 10  # seconds that a part whose time is up has to end what it started
OUT = Path(__file__).parents[2] / "results" / "reference"


def measure(part, device: torch.device, size: Size, seconds: float) -> Iterator[Row | str]:
    """The rows of a part as they are known, then what went wrong: a text, empty where nothing did."""
    context = multiprocessing.get_context("fork")  # CUDA is not in use here
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(part, device, size, theirs, os.getpid()))
    process.start()
    with suppress(ProcessLookupError):
        os.setpgid(process.pid, process.pid)  # here and there: whoever is first
    theirs.close()
    deadline = time.monotonic() + seconds
    try:
        while ours.poll(max(0.0, deadline - time.monotonic())):
            message = ours.recv()
            yield message
            if isinstance(message, str):
                return
        yield f"its {seconds:.0f} s were up"
    except EOFError:
        process.join(5)
        yield f"its process ended with {process.exitcode}"
    finally:
        stop(process)


def stop(process: BaseProcess) -> None:
    """End the process of a part and the commands that it runs, which else would disturb the parts after it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.join(PATIENCE)


def work(part, device: torch.device, size: Size, messages: Connection, parent: int) -> None:
    """In the process of a part. The last message is a text: empty, or the error."""
    error = ""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("its time was up"))  # what it started, such as MPS, is ended
    die_with_parent(parent)
    try:
        torch.set_num_threads(1)
        for row in part(device, size):
            messages.send(row)
    except BaseException as caught:
        traceback.print_exc()
        error = f"{type(caught).__name__}: {caught}"
    messages.send(error)


def page(rows: list[Row], troubles: dict[str, str], where: str) -> str:
    lines = [
        "# On a GPU",
        "",
        f"`python -m tests.performance.gpu`: {where}. Plain loop: not timm's train.py (that runs, on the CPU, in",
        "`tests/performance/against_timm.py --train-py`) but what its train_one_epoch does with a batch that is on the",
        "device already, with fused AdamW. A part whose time was up, or that failed, has the rows that it measured.",
        "",
        "| part | case | what | measured | target |",
        "| :-- | :-- | :-- | --: | :-- |",
        *(f"| {r.part} | {r.case} | {r.what} | {r.value:.4g} | {r.target} |" for r in rows),
    ]
    return "\n".join([*lines, "", *(f"{part} is not complete: {why}" for part, why in troubles.items() if why), ""])


def write(rows: list[Row], troubles: dict[str, str], out: Path, where: str) -> None:
    """Where nothing was measured, nothing is written."""
    if rows:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([Row._fields, *rows])
        write_bytes(out / "gpu.csv", text.getvalue().encode())
        write_bytes(out / "gpu.md", page(rows, troubles, where).encode())


def run(parts, device: torch.device, size: Size, out: Path, where: str, spent: float = 0.0) -> dict[str, str]:
    """Measure, and write after every row. A part has its share of the time, and what those before it left of theirs.

    spent: seconds that are gone already. Returns what is missing, by part; a case that failed is missing in its part.
    """
    began, due = time.monotonic() - spent, 0.0
    rows: list[Row] = []
    troubles = {part.__name__: "its turn did not come" for part in parts}
    for part in parts:
        name, due = part.__name__, due + PARTS[part]
        seconds = began + due - time.monotonic()
        if seconds <= 0:
            troubles[name] = "no time was left for it"
            continue
        troubles[name] = "this was written while it ran"
        with closing(measure(part, device, size, seconds)) as messages:
            for message in messages:
                if isinstance(message, Row):
                    rows.append(message)
                    print(f"{message.part}: {message.case}: {message.value:.4g} {message.what}", flush=True)
                else:
                    failed = [row.case for row in rows if row.part == name and row.what.startswith(FAILED)]
                    troubles[name] = message or ", ".join(f"{case} failed" for case in failed)
                write(rows, troubles, out, where)
        if troubles[name]:
            print(f"{name} is not complete: {troubles[name]}", flush=True)
    write(rows, troubles, out, where)
    return troubles


def gpu_name() -> str:
    """What torch calls the GPU. It is asked in a process of its own: parts cannot be forked from one that uses CUDA.
    Raises RuntimeError or AssertionError where it can use none."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        return pool.submit(torch.cuda.get_device_name).result()


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = {part.__name__: part for part in PARTS}
    options.add_argument("--parts", nargs="+", choices=names, default=list(names))
    options.add_argument("--out", type=Path, default=OUT)
    given = options.parse_args(arguments)
    spent = time.time() - psutil.Process().create_time()  # by imports
    try:
        gpu = gpu_name()
    except (RuntimeError, AssertionError) as error:
        print(f"there is no GPU that torch can use here: nothing is measured or written ({error})")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "timm"))
    where = f"{gpu}, code {code()['git_sha'][:12]}, Python {platform.python_version()}, {versions}"
    troubles = run([names[part] for part in given.parts], torch.device("cuda"), REAL, given.out, where, spent)
    return 1 if any(troubles.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
