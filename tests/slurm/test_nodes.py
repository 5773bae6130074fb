"""A job on two nodes: one task on each, in one group."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from bench.store.log import read as read_log
from tests.bench import tiny
from tests.slurm import launch
from tests.slurm.cluster import Cluster

pytestmark = pytest.mark.slurm

MODULE = '''
import os, signal, time
from methods.random import Random

class Held(Random):
    """On Slurm the first of the processes waits in its first steps for the signal that its node is taken away."""
    def initialize(self, target, learngene, lab):
        super().initialize(target, learngene, lab)
        self.steps = 0
        if os.environ.get("SLURM_PROCID") == "0" and os.environ.get("SLURM_RESTART_COUNT", "0") == "0":
            target.register_forward_hook(self.step)
    def step(self, *_):
        self.steps += 1
        while self.steps > 5 and not signal.getsignal(signal.SIGTERM).requested:
            time.sleep(0.05)
'''
HELD = tiny.SUITE.replace("  random: {}\n", "  random: {use: 'held:Held'}\n")
ONLY = ("--only", "random-L1-*-s0", "--set", "seeds=1")
# what forked processes share counts for each of them here
NODES = ("--set", "gpus_per_run=2", "--set", "slurm.nodes=2", "--set", "slurm.memory=3500MB", "--launcher", "slurm")


def losses(results: Path) -> list[float]:
    """Of the evaluations of the run that was trained, and by how many processes."""
    found = [json.loads(path.read_text()) for path in results.glob("jobs/run/*/result.json")]
    (result,) = (result for result in found if result["epochs"])
    return [e["loss"] for e in result["evals"]] + [result["devices"]]


def made(folder: Path, results: Path, text: str = tiny.SUITE, partition: str = "normal") -> Path:
    """The suite; what its runs start from is there."""
    suite = launch.suite(folder, text, partition=partition)
    assert tiny.bench("run", suite, *ONLY, "--set", "train.epochs=0", "--launcher", "inline", "--results", results) == 0
    return suite


def test_two_nodes_that_were_preempted_give_what_one_process_does(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty steps, evaluated after each, of what one process trains and two nodes train together. There all processes
    save at one step, the allocation comes again, and the job ends."""
    (tmp_path / "held.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    steps = ("--set", "train={steps: 20, batch_size: 1000, mixup: 0.8, cutmix: 1.0}")
    one, two = tmp_path / "one", tmp_path / "two"
    suite = made(tmp_path, two, HELD, partition="low")
    assert tiny.bench("run", suite, *ONLY, *steps, *NODES, "--results", two, "--detach") == 0
    launch.preempt(slurm, {two: 1})
    assert tiny.bench("run", suite, *ONLY, *steps, "--launcher", "inline", "--results", one) == 0
    assert tiny.bench("run", suite, *ONLY, *steps, *NODES, "--results", two) == 0
    *expected, _ = losses(one)
    *found, devices = losses(two)
    assert devices == 2 and len(found) == 21
    assert found == pytest.approx(expected, rel=1e-5, abs=0)
    assert launch.times_done(two) == {1}
    logs = {path: [event["event"] for event in read_log(path)] for path in two.glob("jobs/run/*/log.jsonl")}
    (log,) = (path for path, events in logs.items() if "resumed" in events)
    assert logs[log].count("done") == 1
    assert next(e for e in read_log(log) if e["event"] == "resumed")["step"] % 10 == 0
    slurm.wait(lambda: not slurm.call("squeue", "-h").strip())  # both tasks have left


def test_a_process_killed_on_the_second_node_fails_the_job(slurm: Cluster, tmp_path: Path) -> None:
    results = tmp_path / "r"
    suite = made(tmp_path, results)
    long = ("--set", "train.epochs=5000", "--set", "train.eval_every=5000", "--set", "slurm.retries.died=0")
    assert tiny.bench("run", suite, *ONLY, *long, *NODES, "--results", results, "--detach") == 0
    slurm.wait(lambda: saved(results))
    os.kill(trains(slurm, "n2").pid, signal.SIGKILL)
    slurm.wait(lambda: not slurm.call("squeue", "-h").strip())
    (failure,) = (json.loads(path.read_text()) for path in results.glob("jobs/run/*/failure.json"))
    assert failure["error"].startswith("process 1 of 2: the worker was killed by SIGKILL"), failure
    assert failure["kind"] == "died"


def saved(results: Path) -> bool:
    logs = results.glob("jobs/run/*/log.jsonl")
    return any(event["event"] == "checkpoint" for log in logs for event in read_log(log))


def trains(cluster: Cluster, node: str) -> psutil.Process:
    """The process of a job on a node: of those that have none below them the first that has worked for half a second.
    The others wait for it, and take next to nothing."""
    leaves = [p for p in cluster.processes(node) if p.name().startswith("python") and not p.children()]
    before = {p: p.cpu_times().user for p in leaves}
    work = lambda p: p.cpu_times().user - before[p]  # noqa: E731
    cluster.wait(lambda: any(work(p) > 0.5 for p in leaves))
    return max(leaves, key=work)
