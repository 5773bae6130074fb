"""Everything that can only be measured on a GPU, in one command of at most ten minutes.

    python -m tests.performance.gpu [--parts memory shards ...] [--out results/reference]

Writes gpu.csv and gpu.md there: a row for each number, with its target where there is one. Each part is a process of
its own with a share of the time: what it has measured stays where it fails or its time is up, and the page says so.
Where there is no GPU nothing is written.
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
from contextlib import suppress
from importlib.metadata import version
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from bench.files import write_bytes
from bench.launch.devices import gpus
from bench.provenance import code
from tests.performance.gpu_parts import PARTS, REAL, Row, Size

PATIENCE = 15  # seconds that a part whose time is up has to end what it started
OUT = Path(__file__).parents[2] / "results" / "reference"


def measure(part, device: torch.device, size: Size, seconds: float) -> tuple[list[Row], str]:
    """The rows of a part, and what went wrong."""
    context = multiprocessing.get_context("fork")  # CUDA is not in use here yet
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(part, device, size, theirs))
    process.start()
    with suppress(ProcessLookupError):
        os.setpgid(process.pid, process.pid)  # here and there: whoever is first
    theirs.close()
    rows, deadline, trouble = [], time.monotonic() + seconds, ""
    try:
        while ours.poll(max(0.0, deadline - time.monotonic())):
            said = ours.recv()
            if isinstance(said, str):
                trouble = said
                break
            rows.append(Row(*said))
        else:
            trouble = f"its {seconds:.0f} s were up"
    except EOFError:
        process.join(5)
        trouble = f"its process ended with {process.exitcode}"
    stop(process)
    return rows, trouble


def stop(process: BaseProcess) -> None:
    """End the process of a part and the commands that it runs, which else would disturb the parts after it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.join(PATIENCE)


def work(part, device: torch.device, size: Size, said: Connection) -> None:
    """In the process of a part. The last message is a text: empty, or the error."""
    error = ""
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("its time was up"))  # what it started, such as MPS, is ended
    try:
        torch.set_num_threads(1)
        for row in part(device, size):
            said.send(tuple(row))
    except BaseException as caught:
        traceback.print_exc()
        error = f"{type(caught).__name__}: {caught}"
    said.send(error)


def page(rows: list[Row], troubles: dict[str, str], where: str) -> str:
    lines = [
        "# On a GPU",
        "",
        f"`python -m tests.performance.gpu`: {where}. Plain loop: the body of timm's train_one_epoch on a batch that",
        "is on the device already. A part whose time was up, or that failed, has the rows that it had measured.",
        "",
        "| part | case | what | measured | target |",
        "| :-- | :-- | :-- | --: | :-- |",
        *(f"| {r.part} | {r.case} | {r.what} | {r.value:.4g} | {r.target} |" for r in rows),
    ]
    return "\n".join([*lines, "", *(f"{part} is not complete: {why}" for part, why in troubles.items() if why), ""])


def run(parts, device: torch.device, size: Size, out: Path, where: str, scale: float = 1.0) -> dict[str, str]:
    """Measure and write. Returns what went wrong, by part. Where nothing was measured, nothing is written."""
    rows, troubles = [], {}
    for part in parts:
        measured, troubles[part.__name__] = measure(part, device, size, scale * PARTS[part])
        rows += measured
        for row in measured:
            print(f"{row.part}: {row.case}: {row.value:.4g} {row.what}", flush=True)
        if troubles[part.__name__]:
            print(f"{part.__name__} is not complete: {troubles[part.__name__]}", flush=True)
    if rows:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([Row._fields, *rows])
        write_bytes(out / "gpu.csv", text.getvalue().encode())
        write_bytes(out / "gpu.md", page(rows, troubles, where).encode())
    return troubles


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = {part.__name__: part for part in PARTS}
    options.add_argument("--parts", nargs="+", choices=names, default=list(names))
    options.add_argument("--out", type=Path, default=OUT)
    given = options.parse_args(arguments)
    if not gpus():
        print("there is no NVIDIA GPU here, or CUDA_VISIBLE_DEVICES hides it: nothing is measured or written")
        return 1
    name = next(Path("/proc/driver/nvidia/gpus").glob("*/information"), None)
    lines = name.read_text().splitlines() if name else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("Model")), "a GPU")
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "timm"))
    where = f"{model}, commit {code()['git_sha'][:7]}, Python {platform.python_version()}, {versions}"
    troubles = run([names[part] for part in given.parts], torch.device("cuda"), REAL, given.out, where)
    return 1 if any(troubles.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
