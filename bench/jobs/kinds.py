"""The kinds of job by name: kind `k` is described by the class `KJob` of the module `bench/jobs/k.py`."""

from importlib import import_module

from bench.jobs.description import JobDescription
from bench.jobs.model import KINDS, Job

DESCRIPTIONS: dict[str, type[JobDescription]] = {
    kind: getattr(import_module(f"bench.jobs.{kind}"), f"{kind.capitalize()}Job") for kind in KINDS
}


def description_of(job: Job) -> JobDescription:
    """A job with typed attributes: an AncestorJob, a LearngeneJob, or what else its kind is described by."""
    return DESCRIPTIONS[job.kind].read(job)


def estimated_flops(job: Job) -> float:
    """See `JobDescription.flops`."""
    return description_of(job).flops
