"""Everything that can only be measured on a GPU, in one command of at most ten minutes.

    python -m tests.performance.gpu [--parts memory shards ...] [--train-py FILE] [--out results/reference]

The machine needs what docs/gpus.md lists, and this checkout as working folder. Writes gpu.csv and gpu.md to the folder
`--out` (name one where files come back from the machine only from there) after every row: a number, with its target
where there is one. Each part is a process of its own with a share of the time: what it has measured stays where it
fails, its time is up, or SIGTERM ends all, and the page names what is missing. `--parts wave suite` with the same
`--out` then gives these parts all of the time, and keeps what was measured before until it is measured again. FILE is
train.py of github.com/huggingface/pytorch-image-models, of a version that the installed timm can run. Where there is no
GPU nothing is written.
"""

import argparse
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
from dataclasses import replace
from importlib.metadata import version
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import torch

from bench.processes import die_with_parent
from bench.provenance import code
from tests.performance.gpu_parts import PARTS, REAL, Left, Record, Row, Size
from tests.performance.gpu_parts.train_py import train_py

BUDGET = 560.0  # seconds for all parts; the rest of ten minutes is for ending the last
PATIENCE = 10  # seconds that a part whose time is up has to end what it started
OUT = Path(__file__).parents[2] / "results" / "reference"


def measure(part, device: torch.device, size: Size, seconds: float) -> Iterator[Row | Left | str]:
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


def shares(parts) -> list[float]:
    """Seconds for each part: all that there are, as the parts' own shares are to each other."""
    scale = BUDGET / (sum(PARTS[part] for part in parts) or 1)
    return [PARTS[part] * scale for part in parts]


def run(parts, device: torch.device, size: Size, out: Path, where: str, spent: float = 0.0) -> dict[str, str]:
    """Measure, and write after every row. A part has its share of the time, and what those before it left of theirs.

    spent: seconds that are gone already. Returns what is missing, by part; a case that failed is missing in its part.
    """
    began, due = time.monotonic() - spent, 0.0
    record = Record(out, where, {part.__name__: "its turn did not come" for part in parts})
    record.read(record.troubles)
    for part, share in zip(parts, shares(parts), strict=True):
        name, due = part.__name__, due + share
        seconds = began + due - time.monotonic()
        if seconds <= 0:
            record.troubles[name] = "no time was left for it"
            continue
        record.troubles[name] = "this was written while it ran"
        with closing(measure(part, device, size, seconds)) as messages:
            for message in messages:
                if isinstance(message, Left):
                    record.left[name] = message.cases
                elif isinstance(message, Row):
                    record.rows.append(message)
                    print(f"{message.part}: {message.case}: {message.value:.4g} {message.what}", flush=True)
                else:
                    record.troubles[name] = message or record.failed(name)
                record.write()
        if record.troubles[name]:
            print(f"{name} is not complete: {record.troubles[name]}", flush=True)
    record.write()
    return record.troubles


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
    options.add_argument("--train-py", type=Path, metavar="FILE", help="timm's, to be measured too")
    given = options.parse_args(arguments)
    if given.train_py is not None and not given.train_py.is_file():
        options.error(f"--train-py: expected timm's train.py, found no file {given.train_py}")
    if given.parts != list(names) and train_py.__name__ in given.parts and not given.train_py:
        options.error("--parts train_py: expected --train-py FILE too")
    spent = time.time() - psutil.Process().create_time()  # by imports
    try:
        gpu = gpu_name()
    except (RuntimeError, AssertionError) as error:
        print(f"there is no GPU that torch can use here: nothing is measured or written ({error})")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "timm"))
    where = f"{gpu}, code {code()['git_sha'][:12]}, Python {platform.python_version()}, {versions}"
    size = replace(REAL, train_py=given.train_py)
    chosen = [names[part] for part in given.parts if part != train_py.__name__ or given.train_py]
    troubles = run(chosen, torch.device("cuda"), size, given.out, where, spent)
    return 1 if any(troubles.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
