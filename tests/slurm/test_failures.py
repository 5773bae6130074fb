"""What fails on Slurm fails alone, says why, and is the last thing said."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil
import pytest

from tests.bench import tiny
from tests.slurm import launch
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm

MODULE = (
    launch.PLAIN
    + '''
class Mixed(Plain):
    """Trouble by depth, in the middle of runs that are well."""
    def initialize(self, target, learngene, lab):
        depth = len(target.blocks)
        if depth in (10, 20):
            raise RuntimeError("boom")
        if depth == 5:  # all the memory that it may have, which is capped
            assert int(open("/proc/self/oom_score_adj").read()) >= 500
            used = int(open("/proc/self/status").read().partition("VmSize:")[2].split()[0]) << 10
            resource.setrlimit(resource.RLIMIT_AS, (used + (128 << 20), used + (128 << 20)))
            held = [bytearray(16 << 20) for _ in range(100)]
        if depth == 15:
            os.kill(os.getpid(), signal.SIGKILL)
        if depth == 30:  # more than its allocation has
            held = bytearray(3 << 30)
            time.sleep(600)  # until it is killed for it

class Waits(Plain):
    """Until somebody ends it, the first time."""
    def initialize(self, target, learngene, lab):
        mark = os.environ["MARK"]
        if not os.path.exists(mark):
            open(mark, "w").close()
            time.sleep(600)  # until it is killed
'''
)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trouble.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))


def test_every_tenth_run_fails_and_the_rest_is_done(
    slurm: Cluster, tmp_path: Path, outside: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exceptions, memory (capped by prlimit) and a death in one allocation of 20 runs; and an ancestor that fails."""
    text = tiny.SUITE.replace("epochs: 1, batch_size: 216,", "epochs: 1, lr: 1.0e+30, optimizer: sgd,")
    text = text.replace("  random: {}\n", "  mixed: {use: 'trouble:Mixed', seeds: [0]}\n")
    text = text.replace("depth: [1, 3]", f"depth: {list(range(1, 21))}").replace(
        "epochs: 2, batch_size: 216", "epochs: 0"
    )
    suite, only = launch.suite(tmp_path, text), ("--only=mixed-*", "--only=sws-L2-*-s0")
    launch.make_needed(suite, tmp_path / "r", "mixed-*")
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", tmp_path / "r", *only) == 1
    table = {(row["method"], int(row["depth"])): row for row in tiny.rows(tmp_path / "r")}
    failed = {depth: row["reason"] for (_, depth), row in table.items() if row["status"] == "failed"}
    assert failed.keys() == {5, 10, 15, 20}
    assert failed[10] == failed[20] == "RuntimeError: boom" and "MemoryError" in failed[5] and "SIGKILL" in failed[15]
    assert sum(row["status"] == "done" for row in table.values()) == 16
    assert table["sws", 2]["status"] == "skipped" and "ancestor failed" in table["sws", 2]["reason"]
    said = capsys.readouterr().out.splitlines()
    summary = next(i for i, line in enumerate(said) if " jobs done in " in line)
    last = [i for i, line in enumerate(said) if i > summary and line.startswith("failed: ")]
    assert len(last) == 5 and all(said[i + 1].startswith("  log: ") for i in last)
    (log,) = (tmp_path / "r").glob("jobs/run/Mixed-L15-*/log.jsonl")
    assert log.read_text().count('"start"') == 2, "a run that died is tried once more"
    assert (
        len({log.read_text().partition('"slurm": "')[2][:6] for log in (tmp_path / "r").glob("jobs/run/*/log.jsonl")})
        == 1
    )


def test_what_takes_all_memory_of_an_allocation_fails_alone(slurm: Cluster, tmp_path: Path, outside: None) -> None:
    """Slurm kills all of it, and two more runs wait in there, behind the longest: it is started again for them."""
    text = tiny.SUITE.replace("  random: {}\n", "  mixed: {use: 'trouble:Mixed', seeds: [0]}\n")
    suite = launch.suite(tmp_path, text.replace("depth: [1, 3]", "depth: [1, 2, 30]"))
    launch.make_needed(suite, tmp_path / "r", "mixed-*")
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", tmp_path / "r", "--only=mixed-*") == 1
    by_depth = {row["depth"]: row for row in tiny.rows(tmp_path / "r")}
    assert by_depth["30"]["status"] == "failed" and "out of memory" in by_depth["30"]["reason"]
    assert by_depth["1"]["status"] == by_depth["2"]["status"] == "done"
    assert launch.happened(tmp_path / "r", "memory") == launch.happened(tmp_path / "r", "requeue") == 1


def test_fail_fast_takes_the_rest_out_of_the_queue(
    slurm: Cluster, tmp_path: Path, outside: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """While nobody follows. One allocation at a time, and the run that fails is the first."""
    text = tiny.SUITE.replace("  random: {}\n", "  mixed: {use: 'trouble:Mixed', seeds: [0]}\n")
    suite = launch.suite(tmp_path, text.replace("depth: [1, 3]", "depth: [1, 2, 3, 10]"), pack=1)
    results, settings = tmp_path / "r", ("--only=mixed-*", "--set", "slurm.run.array_parallelism=1")
    launch.make_needed(suite, results, "mixed-*")
    command = ("run", suite, "--launcher", "slurm", "--results", results, *settings)
    assert tiny.bench(*command, "--detach", "--fail-fast") == 0
    slurm.wait(lambda: not slurm.call("squeue", "-h", "-n", "bench-tiny").strip())
    capsys.readouterr()
    assert tiny.bench("status", suite, "--results", results) == 0
    said = capsys.readouterr().out
    assert "interrupted: 3 jobs: not started: --fail-fast, run Mixed-L10-" in said, said
    assert "RuntimeError: boom" in said
    (log,) = results.glob("jobs/run/*/log.jsonl")
    assert log.parent.name.startswith("Mixed-L10-")


def test_a_killed_worker_is_started_again(slurm: Cluster, tmp_path: Path, outside: None) -> None:
    """kill -9 of everything in the allocation's step: the batch script has it started again, once (`retries`)."""
    text = tiny.SUITE.replace("  random: {}\n", "  waits: {use: 'trouble:Waits', seeds: [0]}\n")
    only, results = ("--only", "waits-L1-*"), tmp_path / "r"
    suite = launch.suite(tmp_path, text)
    launch.make_needed(suite, results, only[1])
    assert tiny.bench("run", suite, "--launcher", "slurm", "--detach", "--results", results, *only) == 0
    slurm.wait((tmp_path / "mark").exists)
    for process in slurm.processes():
        with contextlib.suppress(psutil.Error):
            if {"submitit.core._submit", "bench.launch.pool"} & set(process.cmdline()):
                process.kill()
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", results, *only) == 0
    assert launch.happened(results, "died") == 1 and launch.happened(results, "requeue") == 1
    (row,) = tiny.rows(results)
    assert row["status"] == "done" and row["restarts"] == "1"
