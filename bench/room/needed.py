"""Whose files the suites of a results folder still need: what a job that is not done is made of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import BenchError
from bench.jobs import KINDS, Job, description_of
from bench.launch.slurm.submission.record import Submission
from bench.plan import make_plan
from bench.results import data_record, kept
from bench.store import Store
from bench.suite import load


@dataclass
class Needed:
    """Identities of jobs whose files stay, with why. unknown: why nothing can be told, where a suite or a job that is
    being done cannot be read."""

    jobs: dict[str, str] = field(default_factory=dict)
    unknown: str = ""

    def add(self, store: Store, job: Job, why: str) -> None:
        """What `job` needs, unless it is done."""
        if not store.job(job).done():
            self.jobs |= dict.fromkeys(description_of(job).files_taken, why)


def needed(store: Store) -> Needed:
    """By the suites that `bench run` kept, by what waits in Slurm, and by what is being done."""
    needs = Needed()
    for folder in sorted(path for path in store.root.iterdir() if path.is_dir()):
        try:
            for job in jobs_of(folder) if (folder / "suite.yaml").is_file() else ():
                needs.add(store, job, f"suite {folder.name} is not done")
                needs.jobs |= dict.fromkeys(read_as_files(store, job), f"suite {folder.name} reads it as a file")
            for job in submitted(store, folder.name):
                needs.add(store, job, "a submission to Slurm is not done")
        except (BenchError, OSError, ValueError) as error:
            needs.unknown = f"what suite {folder.name} needs is not known: {str(error).splitlines()[0]}"
    for kind in KINDS:
        for id in store.ids(kind):
            folder_of_job = store.job_dir(kind, id)
            if folder_of_job.contents().lock and folder_of_job.lock().holder() is not None:
                try:
                    needs.jobs |= dict.fromkeys(taken_by(store, kind, id), "a job that is being done needs it")
                except (OSError, ValueError, KeyError, TypeError):
                    needs.unknown = f"what {kind} {id} needs, which is being done, is not known"
    return needs


def submitted(store: Store, suite: str) -> Iterator[Job]:
    """The jobs of what was submitted to Slurm for a suite, but for parts that are done."""
    for submission in Submission.all(store, suite):
        for array, kept_array in enumerate(submission.data["arrays"]):
            for index, ids in enumerate(kept_array["groups"]):
                if not all(any(store.job_dir(kind, id).done() for kind in KINDS) for id in ids):
                    yield from submission.group(array, index)[0]


def read_as_files(store: Store, job: Job) -> list[str]:
    """The jobs of this folder whose files a suite names: a checkpoint, or a learngene that is there already."""
    jobs = Path(os.path.realpath(store.root / "jobs"))
    paths = [value for value in job.local.values() if isinstance(value, str) and os.sep in value]
    files = [Path(os.path.realpath(path)) for path in paths]
    return [file.parent.name for file in files if file.is_relative_to(jobs)]


def jobs_of(folder: Path) -> list[Job]:
    """The jobs of a kept suite, by its data as its last run found them; no code from outside is imported for it."""
    file = folder / "suite.yaml"
    header = kept.read(file)
    beside = Path(header["source"]).parent
    suite = load(file, folder=beside, look_at=data_record.recorded(folder), imports=())
    return list(make_plan(suite, header["only"]).jobs.values())


def taken_by(store: Store, kind: str, id: str) -> tuple[str, ...]:
    """Whose files a job that was begun takes, from its folder. Raises where that cannot be read."""
    settings = store.job_dir(kind, id).settings()
    return description_of(Job(kind, id, settings["settings"], (), settings["local"])).files_taken
