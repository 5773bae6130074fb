"""A run that eats all memory of its control group, as a Slurm job or a container is one, dies alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import tiny

LIMIT = 1500 << 20  # bytes
GROUPS = {Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes", Path("/sys/fs/cgroup"): "memory.max"}  # version 1, 2
MODULE = '''
import os, time
from dataclasses import dataclass
from pathlib import Path
import psutil
from methods import Initializer, Learngene

MARKS = Path(os.environ["MARKS"])

def until(condition):
    while not condition():
        time.sleep(0.01)

@dataclass
class Hog(Initializer):
    """Takes all there is at one depth, once another run is in its first step, which lasts until this is dead."""
    ancestors = 0
    def condense(self, ancestor, lab): return Learngene({}, {})
    def initialize(self, target, learngene, lab):
        if len(target.blocks) == 3:
            until((MARKS / "steps").exists)
            (MARKS / str(os.getpid())).touch()
            held = bytearray(3 << 30)
        target.register_forward_hook(self.step)
    def step(self, *_):
        (MARKS / "steps").touch()
        until(lambda: any(not psutil.pid_exists(int(mark.name)) for mark in MARKS.glob("[0-9]*")))
'''


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory."""
    for root, limit in GROUPS.items():
        folder = root / f"bench-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            if (folder / limit).exists():  # made by the system: this is a control group that can be limited
                (folder / limit).write_text(str(LIMIT))
                yield folder
                return
        finally:
            folder.rmdir()
    pytest.skip("no right to make a control group with a limit of memory")


def test_what_takes_all_memory_of_a_control_group_dies_alone(group: Path, tmp_path: Path) -> None:
    (tmp_path / "hog.py").write_text(MODULE)
    marks = tmp_path / "marks"
    marks.mkdir()
    suite = tiny.write(tmp_path, tiny.SUITE.replace("  random: {}\n", "  hog: {use: 'hog:Hog', seeds: [0]}\n"))
    command = [*tiny.FRESH, "run", str(suite), "--jobs", "2", "--results", str(tmp_path / "r")]
    script = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *command, "--only", "hog-*"],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MARKS": str(marks)},
        timeout=1800,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    by_depth = {row["depth"]: row for row in tiny.rows(tmp_path / "r")}
    assert by_depth["1"]["status"] == "done"
    assert by_depth["3"]["status"] == "failed" and by_depth["3"]["reason"] == "out of memory: killed by the system"
