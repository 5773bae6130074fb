"""Killed, interrupted, started twice, spread over workers: the numbers stay those of an undisturbed run."""

import os
import random
import signal

import pytest

from bench.store.log import read
from tests.bench.tiny import SUITE, fresh_process, numbers, process, rows, write
from tests.bench.until import until


@pytest.fixture
def suite(tmp_path):
    return write(tmp_path)


def lines(results):
    """How many lines are in the logs."""
    return sum(len(read(log)) for log in results.glob("jobs/*/*/log.jsonl"))


def training(results):
    """training.csv, which says nothing that may differ."""
    return (results / "tiny" / "training.csv").read_text()


def finish(started):
    out, _ = started.communicate(timeout=1800)
    assert started.returncode == 0, out
    return out


def test_two_workers_and_one_process_agree(suite, tmp_path, tiny_results):
    finish(fresh_process("run", suite, "--jobs", 2, "--results", tmp_path / "r"))
    assert numbers(tmp_path / "r") == numbers(tiny_results)


def test_killed_at_random_moments(suite, tmp_path, tiny_results):
    """kill -9 of the whole process group, and a rerun, until it comes through."""
    draw, results = random.Random(7), tmp_path / "r"
    for more in (draw.randint(1, 10), draw.randint(10, 30), draw.randint(10, 30)):
        wanted = lines(results) + more
        started = process("run", suite, "--jobs", 2, "--results", results)
        until(lambda run=started, wanted=wanted: lines(results) >= wanted or run.poll() is not None)
        os.killpg(started.pid, signal.SIGKILL)
        started.communicate()
    finish(process("run", suite, "--jobs", 2, "--results", results))
    assert numbers(results) == numbers(tiny_results) and training(results) == training(tiny_results)


def test_a_run_killed_in_its_training_goes_on(tmp_path):
    """One long run, killed after its first checkpoint, resumes in mid-epoch and ends at the same bits."""
    text = SUITE.replace("epochs: 2, batch_size: 216", "epochs: 12, batch_size: 16")
    suite, only = write(tmp_path, text), ("--only", "random-L3*-s0", "--jobs", 1)
    results = tmp_path / "r"
    started = process("run", suite, "--results", results, *only)
    until(lambda: list(results.glob("jobs/run/*/checkpoint.pt")), started)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    finish(process("run", suite, "--results", results, *only))
    finish(process("run", suite, "--results", tmp_path / "straight", *only))
    assert numbers(results) == numbers(tmp_path / "straight")
    assert training(results) == training(tmp_path / "straight") and training(results).count("random-L3") == 2 * 12
    assert rows(results)[0]["restarts"] == "1"
    assert any('"resumed"' in log.read_text() for log in results.glob("jobs/run/*/log.jsonl"))


def test_ctrl_c_saves_and_goes_on(tmp_path):
    text = SUITE.replace("epochs: 2, batch_size: 216", "epochs: 60, batch_size: 16").replace("0.2", "1000")
    suite, only, results = write(tmp_path, text), ("--only", "random-L3*-s0", "--jobs", 1), tmp_path / "r"
    started = process("run", suite, "--results", results, *only)
    until(lambda: any('"eval"' in log.read_text() for log in results.glob("jobs/run/*/log.jsonl")), started)
    os.killpg(started.pid, signal.SIGINT)
    out, _ = started.communicate(timeout=1800)
    assert started.returncode == 130, out
    assert rows(results)[0]["status"] == "interrupted"
    assert list(results.glob("jobs/run/*/checkpoint.pt")), "nothing was saved on the way out"


def test_two_commands_at_once_share_the_work(suite, tmp_path, tiny_results):
    results = tmp_path / "r"
    both = [process("run", suite, "--jobs", 1, "--results", results) for _ in range(2)]
    for started in both:
        finish(started)
    assert numbers(results) == numbers(tiny_results)
    done = [log.read_text().count('"event": "done"') for log in results.glob("jobs/*/*/log.jsonl")]
    assert done and set(done) == {1}


def test_a_worker_that_dies_fails_alone(tmp_path):
    (tmp_path / "dies.py").write_text(
        "import os, signal\nfrom dataclasses import dataclass\nfrom methods import Initializer, Learngene\n"
        "@dataclass\nclass Dies(Initializer):\n"
        "    def condense(self, ancestor, lab): return Learngene({}, {})\n"
        "    def initialize(self, target, learngene, lab): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    suite = write(tmp_path, SUITE.replace("  random: {}\n", "  random: {}\n  dies: {use: 'dies:Dies'}\n"))
    only = ("--only", "dies-L1*-s0", "--only", "random-L1*-s0")
    started = process("run", suite, "--jobs", 2, "--results", tmp_path / "r", *only)
    out, _ = started.communicate(timeout=1800)
    assert started.returncode == 1, out
    status = {row["method"]: (row["status"], row["reason"]) for row in rows(tmp_path / "r")}
    assert status["random"][0] == "done"
    assert status["dies"][0] == "failed" and "SIGKILL" in status["dies"][1]
