"""Submitting, looking, cancelling, without anything that runs: the nodes are taken by others."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.bench import tiny
from tests.bench.until import until
from tests.slurm import launch
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm

TEXT = tiny.SUITE.replace("seeds: 2", "seeds: 30")


@pytest.fixture
def busy(slurm: Cluster) -> Cluster:
    launch.block(slurm)
    return slurm


def queue(cluster: Cluster) -> list[str]:
    return cluster.call("squeue", "-h", "-r", "-n", "bench-tiny", "-o", "%i").split()


def test_detached_looked_at_submitted_once_and_cancelled(
    busy: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite, results = launch.suite(tmp_path, TEXT, pack=1), tmp_path / "r"
    command = ("run", suite, "--launcher", "slurm", "--detach", "--results", results)
    assert tiny.bench(*command, "--only", "random-*") == 0
    before = queue(busy)
    assert len(before) == 61
    arrays = launch.submissions(results)[0].data["arrays"]
    assert [len(array["groups"]) for array in arrays] == [1, 50, 10], "split at the cluster's MaxArraySize of 50"
    assert tiny.bench(*command, "--only", "random-*") == 0
    assert queue(busy) == before
    assert "61 jobs are queued or running already" in capsys.readouterr().out
    assert tiny.bench(*command, "--only", "random-*", "--only", "mixture_growth-*-s0") == 0
    assert len(queue(busy)) == 61 + 3
    assert tiny.bench("status", suite, "--results", results) == 0
    said = capsys.readouterr().out
    assert re.search(r"queued: \d+ jobs: ", said) and "running:" not in said, said
    waits_for = busy.call("squeue", "-h", "-r", "-n", "bench-tiny", "-o", "%E").split()
    assert sum("afterany" in dependency for dependency in waits_for) == 62
    assert tiny.bench("cancel", suite, "--results", results) == 0
    assert "cancelled 64 Slurm jobs" in capsys.readouterr().out
    busy.wait(lambda: not queue(busy))
    assert tiny.bench("status", suite, "--results", results) == 0
    said = capsys.readouterr().out
    # Slurm may have forgotten some already, which then count as not started
    assert sum(map(int, re.findall(r"^interrupted: (\d+) jobs: ", said, re.MULTILINE))) == 64, said
    assert "cancelled" in said, said
    assert tiny.bench(*command, "--only", "random-L1-*-s0") == 0
    assert len(queue(busy)) == 2, "what was cancelled is submitted again"


def test_a_killed_submitter_costs_nothing(busy: Cluster, tmp_path: Path) -> None:
    """Killed between two sbatch calls: the next command submits the rest, and only that."""
    suite, results = launch.suite(tmp_path, TEXT, pack=1), tmp_path / "r"
    options = ("--launcher", "slurm", "--detach", "--results", results)
    only = ("--only", "mixture_growth-*-s[0-9]", "--only", "random-*-s[0-9]", "--only", "sws-L*-s[0-9]")
    started = tiny.process("run", suite, *options, *only)
    until(lambda: any(array["slurm"] for s in launch.submissions(results) for array in s.data["arrays"]), started)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    (killed,) = launch.submissions(results)
    known = {job for _, jobs in killed.elements() for job in jobs}
    assert tiny.bench("run", suite, *options, *only) == 0
    first, *others = launch.submissions(results)
    again = {job for submission in others for _, jobs in submission.elements() for job in jobs}
    everything = {job for array in first.data["arrays"] for group in array["groups"] for job in group}
    assert known and not known & again and known | again == everything


def test_a_refusal_is_told_and_ends_with_1(slurm: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = launch.suite(tmp_path, TEXT, partition="nowhere")
    assert tiny.bench("run", suite, "--launcher", "slurm", "--results", tmp_path / "r", "--only", "random-*") == 1
    assert "Slurm refused: " in (said := capsys.readouterr().err) and "partition" in said


def test_a_scheduler_that_does_not_answer_is_no_empty_queue(
    slurm: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    launch.block(slurm)
    suite, results = launch.suite(tmp_path, TEXT), tmp_path / "r"
    only = ("--only", "random-L1-*-s0")
    assert tiny.bench("run", suite, "--launcher", "slurm", "--detach", "--results", results, *only) == 0
    with monkeypatch.context() as patch:
        patch.setenv("PATH", str(tmp_path))
        assert tiny.bench("status", suite, "--results", results) == 0
        assert "Slurm does not answer" in capsys.readouterr().out
        assert tiny.bench("run", suite, "--launcher", "slurm", "--detach", "--results", results, *only) == 1
        assert tiny.bench("cancel", suite, "--results", results) == 1
    assert len(queue(slurm)) == 2 and len(launch.submissions(results)) == 1
