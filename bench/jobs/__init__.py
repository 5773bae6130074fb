"""What a job is, and one module per kind of job: what its result depends on, what it needs, costs and does."""

from bench.jobs.kinds import description_of, estimated_flops
from bench.jobs.model import KINDS, STATES, Job, State

__all__ = ["KINDS", "STATES", "Job", "State", "description_of", "estimated_flops"]
