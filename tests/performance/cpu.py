"""CPU seconds of each test, and of all that it starts, daemons too: a plugin of pytest, which ends with a table.

    python -m pytest -p tests.performance.cpu -n 3 --dist worksteal

Each worker moves into a control group of its own (version 1 or 2; wants root), whose use is read before and after each
test. Wall time would tell of the other workers and of waits. On a machine with other work CPU time is larger too, as
caches are shared and what waits for the clock goes on for longer: compare what was measured in one hour.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

FOLDER = "CPU_OF_TESTS"  # where the workers write
ROOTS = (Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup"))
ROWS = 20


class Meter:
    """A control group that this process and all its children are in."""

    def __init__(self, name: str) -> None:
        root = next((root for root in ROOTS if (root / "cgroup.procs").exists()), None)
        if root is None:
            raise pytest.UsageError("no control groups that count CPU time here (cpuacct, or version 2)")
        self.root, self.group = root, root / name
        self.group.mkdir(exist_ok=True)
        (self.group / "cgroup.procs").write_text(str(os.getpid()))

    def leave(self) -> None:
        """Remove the group, unless something still runs in it."""
        (self.root / "cgroup.procs").write_text(str(os.getpid()))
        with contextlib.suppress(OSError):
            self.group.rmdir()

    def seconds(self) -> float:
        """What the group has used so far."""
        if (usage := self.group / "cpuacct.usage").exists():
            return int(usage.read_text()) / 1e9
        return int((self.group / "cpu.stat").read_text().split()[1]) / 1e6


class Notes:
    """What a process that runs tests writes down."""

    def __init__(self, worker: str) -> None:
        self.meter = Meter(f"tests-{os.getpid()}")
        self.file = (Path(os.environ[FOLDER]) / f"{worker}.jsonl").open("a", buffering=1)

    def note(self, name: str, seconds: float) -> None:
        self.file.write(json.dumps([name, seconds]) + "\n")

    def pytest_collection_finish(self) -> None:
        self.note("(imports and collection)", self.meter.seconds())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        before = self.meter.seconds()
        result = yield
        self.note(item.nodeid, self.meter.seconds() - before)
        return result

    def pytest_unconfigure(self) -> None:
        self.meter.leave()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="cpu-of-tests-")
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.pluginmanager.register(Notes(os.environ.get("PYTEST_XDIST_WORKER", "main")))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    files = sorted(Path(os.environ[FOLDER]).glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    tests = sorted((row for row in rows if not row[0].startswith("(")), key=lambda row: -row[1])
    imports = sum(seconds for name, seconds in rows if name == "(imports and collection)")
    terminalreporter.section("CPU seconds")
    for name, seconds in tests[:ROWS]:
        terminalreporter.line(f"| {seconds:.1f} | {name} |")
    total = sum(seconds for _, seconds in tests)
    terminalreporter.line(
        f"{len(tests)} tests {total:.0f}, imports and collection {imports:.0f}; in {os.environ[FOLDER]}"
    )
