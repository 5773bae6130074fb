"""`bench` commands in processes of their own, on suites of small models, with and without MPS."""

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUITE = """
name: small
dataset: digits
targets: [{model}]
methods: {{random: {{}}}}
train: {{epochs: {epochs}, batch_size: 32}}
seeds: {runs}
"""


def write_suite(folder: Path, model: str, *, epochs: int, runs: int) -> Path:
    path = folder / "suite.yaml"
    path.write_text(SUITE.format(model=model, epochs=epochs, runs=runs))
    return path


def start(*arguments: object, log: Path) -> subprocess.Popen:
    """A command, which writes to the log. It is in the process group of the part, and ends with it."""
    with log.open("a") as file:
        command = [sys.executable, "-m", "bench", *map(str, arguments)]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)


def bench(*arguments: object, log: Path) -> None:
    """Wait for a command. Raises RuntimeError where it fails."""
    code = start(*arguments, log=log).wait()
    if code:
        raise RuntimeError(f"bench {arguments[0]} ended with {code}: {log.read_text()[-500:]}")


def table(results: Path, suite: str = "small") -> list[dict[str, str]]:
    """The runs that are done."""
    with (results / suite / "runs.csv").open() as file:
        return [row for row in csv.DictReader(file) if row["status"] == "done"]


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """MPS of this folder's own while it lasts. Raises OSError or CalledProcessError where there is none."""
    names = {"CUDA_MPS_PIPE_DIRECTORY": folder / "pipe", "CUDA_MPS_LOG_DIRECTORY": folder / "log"}
    for name, path in names.items():
        path.mkdir()
        os.environ[name] = str(path)
    try:
        subprocess.run(["nvidia-cuda-mps-control", "-d"], check=True, timeout=20)
        try:
            yield
        finally:
            subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", check=False, timeout=20)
    finally:
        for name in names:
            del os.environ[name]
