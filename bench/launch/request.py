"""What a launcher is asked for."""

from dataclasses import dataclass

from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.plan import Plan


@dataclass(frozen=True)
class Request:
    """What a launcher is to do: work off a schedule, of a plan, and show how it goes.

    jobs:   how many at once, where the command line says so.
    detach: whether to return as soon as others will do the jobs.
    """

    plan: Plan
    schedule: Schedule
    progress: Progress
    jobs: int | None = None
    detach: bool = False
