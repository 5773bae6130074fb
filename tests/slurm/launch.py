"""What the tests of the Slurm launcher share: suites, and the cluster as a disturber sees it."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from bench.launch.slurm.submission import events
from bench.launch.slurm.submission.record import Submission
from bench.plan import make_plan
from bench.store import Store
from bench.store.log import read as read_log
from bench.suite import load
from bench.worker.execute import execute
from tests.bench import tiny
from tests.slurm.cluster import Cluster

PLAIN = '''
import os, resource, signal, time
from dataclasses import dataclass
from methods import Initializer, Learngene

@dataclass
class Plain(Initializer):
    """Leaves the target as it is."""
    ancestors = 0
    def condense(self, ancestor, lab): return Learngene({}, {})
    def initialize(self, target, learngene, lab): pass
'''
SECTION = "slurm: {{partition: {partition}, memory: 1900MB, time: 10, runs_per_job: {pack}}}\n"


def suite(folder: Path, text: str, partition: str = "normal", pack: int = 100) -> Path:
    return tiny.write(folder, text + SECTION.format(partition=partition, pack=pack))


def make_needed(suite: Path, results: Path, *only: str) -> None:
    """Do here what runs need, where the test is about runs: each allocation imports torch, for seconds."""
    for job in make_plan(load(suite), list(only)).jobs.values():
        if job.kind in ("ancestor", "learngene"):
            assert execute(job, results).state == "done"


def submissions(results: Path, name: str = "tiny") -> list[Submission]:
    return Submission.all(Store(results), name)


def happened(results: Path, event: str) -> int:
    """How often something was noted of an element."""
    folders = [submission.folder for submission in submissions(results)]
    files = [file for folder in folders for file in (folder / "events").glob("*.jsonl")]
    return sum(e["event"] == event for file in files for e in events.read(file.parent.parent, file.stem))


def times_done(results: Path) -> set[int]:
    """How often the jobs of a results directory ended well, by their logs."""
    logs = [read_log(path) for path in results.glob("jobs/*/*/log.jsonl")]
    return {sum(event["event"] == "done" for event in log) for log in logs}


def block(cluster: Cluster) -> list[str]:
    """Fill all nodes, so that what is submitted stays queued; `scancel` ends it."""
    command = ("sbatch", "--parsable", "--partition=high", "--exclusive", "--output=/dev/null", "--wrap=sleep 600")
    ids = [cluster.call(*command, f"--nodelist={node}").strip() for node in cluster.node_names]
    cluster.wait(lambda: cluster.call("squeue", "-h", "-t", "R", "-o", "%i").split() == ids)
    return ids


def requeued(results: Path) -> dict[str, int]:
    """How often each allocation of runs was requeued, by Slurm's name."""
    return {
        name: sum(e["event"] == "requeue" for e in events.read(submission.folder, name))
        for submission in submissions(results)
        for i, array in enumerate(submission.data["arrays"])
        if array["kind"] == "run"
        for index in range(len(array["groups"]))
        if (name := submission.element(i, index)) is not None
    }


def preempt(cluster: Cluster, wanted: dict[Path, int], seconds: float = 900) -> None:
    """Take nodes away from what trains there, one after the other, until all runs were preempted often enough.

    wanted: how often each allocation of runs, in each results directory. Nodes without one that lacks some stay.
    """
    deadline = time.monotonic() + seconds
    for node in itertools.cycle(cluster.node_names):
        lacking = {name for results in wanted for name, n in requeued(results).items() if n < wanted[results]}
        if not lacking:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{lacking} were not preempted {wanted} times within {seconds:g} s")
        listed = cluster.call("squeue", "-h", "-t", "R", "-p", "low", "-w", node, "-o", "%F_%K").split()
        running = {element.removesuffix("_N/A") for element in listed}
        # those that are still starting would only start again
        if not lacking & running or not all(any(_trains(results, name) for results in wanted) for name in running):
            time.sleep(0.3)
            continue
        before = sum(happened(results, "requeue") for results in wanted)
        cluster.call(
            "sbatch", "--partition=high", "--exclusive", f"--nodelist={node}", "--output=/dev/null", "--wrap=true"
        )
        while sum(happened(results, "requeue") for results in wanted) == before and time.monotonic() < deadline:
            time.sleep(0.3)
            if not cluster.call("squeue", "-h", "-p", "high", "-o", "%i").strip():
                break


def _trains(results: Path, element: str) -> bool:
    """Whether a job of an element is past its first step: it holds its lock and told how far it is."""
    for path in results.glob("jobs/*/*/lock.*"):
        note = Store(results).job_dir(path.parent.parent.name, path.parent.name).lock().holder() or {}
        if note.get("slurm") == element:
            return True
    return False
