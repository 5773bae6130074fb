"""What was submitted: kept before Slurm hears of it, so that nothing is submitted twice and nothing is forgotten.

That a submission was ended before its time, by `bench cancel` or by a failure under `--fail-fast`, is kept in a file of
its own: Slurm forgets what was cancelled while it waited, and an allocation that it starts all the same, because it was
submitted in that moment, has to see that its time is over.
"""

import dataclasses
import getpass
import json
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import files
from bench.jobs.model import Job
from bench.launch.slurm import squeue
from bench.launch.slurm.submission.groups import Array
from bench.plan import Plan
from bench.store import JobDir, Store

FILE = "submission.json"
HALTED = "halted.json"
ARRAY = {"slurm": (str, type(None)), "kind": str, "groups": [[str]], "minutes": int, "retries": {"*": int}}
SHAPE = {"token": str, "created": float, "root": str, "code": str, "arrays": [ARRAY]}


@dataclass
class Submission:
    """`<root>/<suite>/slurm/<token>/`: submission.json, the jobs of each array as JSON lines, and Slurm's logs."""

    folder: Path
    data: dict[str, Any]

    @classmethod
    def planned(
        cls,
        plan: Plan,
        store: Store,
        arrays: list[Array],
        code: Path,
        digest: str,
        beside: list[str],
        fail_fast: bool = False,
    ) -> "Submission":
        """What `new` would write; `TOKEN` stands for its name."""
        data = {
            "token": "TOKEN",
            "suite": plan.suite.name,
            "created": time.time(),
            "user": getpass.getuser(),
            "host": socket.gethostname(),
            "root": str(store.root.absolute()),
            "code": str(code),
            "code_digest": digest,
            "beside": beside,
            "fail_fast": fail_fast,
            "arrays": [_kept(array) for array in arrays],
        }
        return cls((store.suite(plan.suite.name) / "slurm" / "TOKEN").absolute(), data)

    @classmethod
    def new(
        cls,
        plan: Plan,
        store: Store,
        arrays: list[Array],
        code: Path,
        digest: str,
        beside: list[str],
        fail_fast: bool = False,
    ) -> "Submission":
        """Write down what is about to be submitted. code: the snapshot, and the digest of what is in it;
        beside: further folders to import from; fail_fast: the first failure ends all of it."""
        new = cls.planned(plan, store, arrays, code, digest, beside, fail_fast)
        token = new.data["token"] = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
        new.folder = new.folder.with_name(token)
        for i, array in enumerate(arrays):
            lines = [json.dumps(_group(group, plan)) for group in array.groups]
            files.write_bytes(new.folder / f"array-{i}.jsonl", ("\n".join(lines) + "\n").encode())
        new.write()
        return new

    @classmethod
    def read(cls, folder: Path) -> "Submission":
        data = files.read_json(folder / FILE, SHAPE)
        if data is None:
            raise ValueError(f"{folder / FILE}: not there")
        return cls(folder, data)

    @classmethod
    def all(cls, store: Store, suite: str) -> list["Submission"]:
        """Those of a suite, the oldest first; damaged ones are left out."""
        submissions = []
        for file in (store.suite(suite) / "slurm").glob(f"*/{FILE}"):
            try:
                submissions.append(cls.read(file.parent))
            except ValueError:
                continue
        return sorted(submissions, key=lambda submission: submission.data["created"])

    def write(self) -> None:
        files.write_json(self.folder / FILE, self.data)

    def submitted(self, array: int, slurm: str) -> None:
        self.data["arrays"][array]["slurm"] = slurm
        self.write()

    def element(self, array: int, index: int) -> str | None:
        """Slurm's name of an element; None where sbatch was not heard of."""
        entry = self.data["arrays"][array]
        if entry["slurm"] is None or len(entry["groups"]) == 1:
            return entry["slurm"]
        return f"{entry['slurm']}_{index}"

    def elements(self) -> Iterator[tuple[str, list[str]]]:
        """(Slurm's name, identities of its jobs) of each element that was submitted."""
        for i, array in enumerate(self.data["arrays"]):
            for index, jobs in enumerate(array["groups"]):
                name = self.element(i, index)
                if name is not None:
                    yield name, jobs

    def retries(self, job: str) -> dict[str, int]:
        """How often a job is tried again by itself, by the kind of its failure."""
        arrays = self.data["arrays"]
        return next((a["retries"] for a in arrays if any(job in group for group in a["groups"])), {})

    def failed(self, folder: JobDir) -> bool:
        """Whether a job failed since this was submitted: what failed before is being tried again."""
        failure = folder.failure()
        return failure is not None and failure.get("time", 0.0) >= self.data["created"]

    @property
    def halted(self) -> str | None:
        """Why it was ended before its time, or None where it was not."""
        try:
            return (files.read_json(self.folder / HALTED, {"reason": str}) or {}).get("reason")
        except ValueError:
            return "stopped"

    def halt(self, why: str) -> None:
        """Say that it is over. What is said first stays."""
        if self.halted is None:
            files.write_json(self.folder / HALTED, {"reason": why, "time": time.time()})

    def fail_fast(self, what: str) -> None:
        """Under `--fail-fast` take what waits out of Slurm's queue; what runs starts nothing more, and ends."""
        if not self.data.get("fail_fast") or self.halted:
            return
        self.halt(f"not started: --fail-fast, {what} failed")
        fresh = self.read(self.folder)  # its submitter may have gone on since
        squeue.scancel([array["slurm"] for array in fresh.data["arrays"] if array["slurm"]], "PENDING")

    def group(self, array: int, index: int) -> tuple[list[Job], list[tuple[str, str]]]:
        """The jobs of an element, and (kind, identity) of what they need of others."""
        with (self.folder / f"array-{array}.jsonl").open() as file:
            line = json.loads(next(text for i, text in enumerate(file) if i == index))
        jobs = [Job(**job | {"needs": tuple(job["needs"])}) for job in line["jobs"]]
        return jobs, [(kind, id) for kind, id in line["needs"]]

    def log(self, slurm: str) -> Path:
        """What an element printed."""
        return self.folder / "logs" / f"{slurm}_0_log.out"


def _kept(array: Array) -> dict[str, Any]:
    wishes = array.wishes
    return {
        "slurm": None,
        "kind": array.kind,
        "groups": [[job.id for job in group] for group in array.groups],
        "minutes": wishes.time,
        "gpus": wishes.gpus,
        "nodes": wishes.nodes,
        "workers": wishes.workers or max(1, (wishes.gpus or wishes.cpus) // array.share),
        "retries": wishes.retries.model_dump(),
        "max_timeouts": wishes.max_timeouts,
    }


def _group(group: list[Job], plan: Plan) -> dict[str, Any]:
    inside = {job.id for job in group}
    needs = dict.fromkeys(n for job in group for n in job.needs if n not in inside)
    return {"jobs": [dataclasses.asdict(job) for job in group], "needs": [[plan.jobs[n].kind, n] for n in needs]}
