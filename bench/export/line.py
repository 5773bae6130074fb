"""A job that is done and what led up to it, from their folders alone: no suite is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.files import read_file
from bench.identity import digest
from bench.jobs import Job, description_of
from bench.jobs.ancestor import AncestorJob
from bench.jobs.description import JobDescription
from bench.jobs.inputs import MethodInput
from bench.jobs.learngene import LearngeneJob
from bench.jobs.run import RunJob
from bench.jobs.start import StartJob
from bench.shapes import mismatch
from bench.store import Store
from bench.store.job_dir import SETTINGS

SHAPE = {"kind": str, "id": str, "settings": dict, "local": dict}


@dataclass(frozen=True)
class Done:
    """A job and its result."""

    job: JobDescription
    id: str
    result: dict[str, Any]


def done(store: Store, kind: str, id: str) -> Done:
    """Read a job that is done. Raises BenchError for one that is not, or that is damaged."""
    folder = store.job_dir(kind, id)
    try:
        trouble, result = folder.damage(), None
        settings = json.loads(read_file(folder.path / SETTINGS) or b"null")
        result = folder.result() if trouble is None else None
    except (ValueError, RecursionError) as error:
        trouble = str(error)
        settings = None
    if trouble:
        raise BenchError(f"{kind} {id} is damaged: {trouble}; bench run makes it again")
    if result is None:
        raise BenchError(f"{kind} {id} is not done; expected a job that bench run has finished ({folder.path})")
    if mismatch(settings, SHAPE) or id.rpartition("-")[2] != digest(settings["settings"]):
        raise BenchError(f"{folder.path / SETTINGS} is not what the identity {id} stands for; bench run makes it again")
    job = description_of(Job(kind, id, settings["settings"], (), settings["local"]))
    return Done(job, id, result)


@dataclass(frozen=True)
class Line:
    """What led up to a model: run, start, learngene and ancestors, of which there may be none, or none any more."""

    run: Done | None = None
    start: Done | None = None
    learngene: Done | None = None
    ancestors: tuple[Done, ...] = ()

    @property
    def method(self) -> MethodInput | None:
        """Return the method as what is nearest to the model depends on it."""
        for step in (self.start, self.run, self.learngene):
            if step is not None and (method := getattr(step.job, "method", None)) is not None:
                return method
        return None


def line(store: Store, kind: str, id: str) -> Line:
    """What led up to a job, and the job. Only the job itself has to be there: others may have been removed."""
    here = done(store, kind, id)
    if isinstance(here.job, AncestorJob):
        return Line(ancestors=(here,))
    run = here if isinstance(here.job, RunJob) else None
    start = here if isinstance(here.job, StartJob) else None
    if isinstance(here.job, RunJob) and here.job.start is not None:
        start = _there(store, "start", here.job.start)
    learngene = here if isinstance(here.job, LearngeneJob) else None
    step = start or run
    if learngene is None and step is not None and isinstance(step.job, StartJob | RunJob) and step.job.learngene:
        learngene = _there(store, "learngene", step.job.learngene)
    ids = learngene.job.ancestors if learngene is not None and isinstance(learngene.job, LearngeneJob) else ()
    ancestors = [_there(store, "ancestor", id) for id in ids]
    return Line(run, start, learngene, tuple(ancestor for ancestor in ancestors if ancestor is not None))


def _there(store: Store, kind: str, id: str) -> Done | None:
    try:
        return done(store, kind, id)
    except BenchError:
        return None
