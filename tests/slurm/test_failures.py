"""What fails on Slurm fails alone, says why, and is the last thing said."""

from __future__ import annotations

from pathlib import Path

import launch
import pytest
import tiny
from cluster import Cluster

pytestmark = pytest.mark.slurm

MODULE = '''
import os, resource, signal, time
from dataclasses import dataclass
from methods import Initializer, Learngene

@dataclass
class Plain(Initializer):
    """Leaves the target as it is."""
    ancestors = 0
    def condense(self, ancestor, lab): return Learngene({}, {})
    def initialize(self, target, learngene, lab): pass

class Raises(Plain):
    """An exception."""
    def initialize(self, target, learngene, lab): raise RuntimeError("boom")

class Eats(Plain):
    """All the memory that it may have, which is capped."""
    def initialize(self, target, learngene, lab):
        score = int(open("/proc/self/oom_score_adj").read())
        assert score >= 500, score
        resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))
        held = [bytearray(64 << 20) for _ in range(100)]

class Dies(Plain):
    """By a signal, as if the system had killed it."""
    def initialize(self, target, learngene, lab): os.kill(os.getpid(), signal.SIGKILL)

class Bloats(Plain):
    """More than its allocation has."""
    def initialize(self, target, learngene, lab):
        held = bytearray(3 << 30)
        time.sleep(60)

class Waits(Plain):
    """Long enough to be disturbed, the first time."""
    def initialize(self, target, learngene, lab):
        mark = os.environ["MARK"]
        if not os.path.exists(mark):
            open(mark, "w").close()
            time.sleep(120)
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trouble.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))


def test_every_tenth_run_fails_and_the_rest_is_done(
    slurm: Cluster, tmp_path: Path, outside: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception, memory (capped by prlimit), a death and a poisoned ancestor in one allocation of many runs."""
    text = tiny.SUITE.replace("epochs: 1, batch_size: 64,", "epochs: 1, lr: 1.0e+30, optimizer: sgd,")
    bad = "".join(f"  {n}: {{use: 'trouble:{n.title()}', seeds: [0]}}\n" for n in ("raises", "eats", "dies"))
    text = text.replace("  random: {}\n", f"  random: {{seeds: 30}}\n{bad}").replace("depth: [1, 3]", "depth: 1")
    text = text.replace("epochs: 2, batch_size: 64", "epochs: 0")
    only = [f"--only={label}-*" for label in ("random", "raises", "eats", "dies", "sws")]
    suite = launch.suite(tmp_path, text)
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", tmp_path / "r", *only) == 1
    table = {(row["method"], row["seed"]): row for row in tiny.rows(tmp_path / "r")}
    assert [table["random", str(seed)]["status"] for seed in range(30)] == ["done"] * 30
    reasons = {label: table[label, "0"]["reason"] for label in ("raises", "eats", "dies", "sws")}
    assert table["sws", "0"]["status"] == "skipped" and "ancestor failed" in reasons["sws"]
    assert {table[label, "0"]["status"] for label in ("raises", "eats", "dies")} == {"failed"}
    assert reasons["raises"] == "RuntimeError: boom"
    assert "MemoryError" in reasons["eats"]
    assert "SIGKILL" in reasons["dies"]
    said = capsys.readouterr().out.splitlines()
    failed = [i for i, line in enumerate(said) if line.startswith("failed: ") and not line.endswith(")")]
    assert len(failed) == 4 and all(said[i + 1].startswith("  log: ") for i in failed)
    (log,) = (tmp_path / "r").glob("jobs/run/Dies*/log.jsonl")
    assert log.read_text().count('"start"') == 2, "a run that died is tried once more"


def test_an_allocation_that_runs_out_of_memory_says_so(slurm: Cluster, tmp_path: Path, outside: None) -> None:
    text = tiny.SUITE.replace("  random: {}\n", "  bloats: {use: 'trouble:Bloats', seeds: [0]}\n")
    only = ("--only", "bloats-L1-*")
    suite = launch.suite(tmp_path, text)
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", tmp_path / "r", *only) == 1
    (row,) = tiny.rows(tmp_path / "r")
    assert row["status"] == "failed" and "out of memory" in row["reason"]


def test_a_killed_worker_is_started_again(slurm: Cluster, tmp_path: Path, outside: None) -> None:
    """kill -9 of everything in the allocation's step: the batch script has it started again, once (`retries`)."""
    text = tiny.SUITE.replace("  random: {}\n", "  waits: {use: 'trouble:Waits', seeds: [0]}\n")
    only, results = ("--only", "waits-L1-*"), tmp_path / "r"
    suite = launch.suite(tmp_path, text)
    assert tiny.bench("run", suite, "--launcher", "slurm", "--detach", "--results", results, *only) == 0
    slurm.wait((tmp_path / "mark").exists)
    for process in slurm.processes():
        if "submitit.core._submit" in process.cmdline():
            process.kill()
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", results, *only) == 0
    assert launch.happened(results, "died") == 1 and launch.happened(results, "requeue") == 1
    (row,) = tiny.rows(results)
    assert row["status"] == "done" and row["restarts"] == "1"
