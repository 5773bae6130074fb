"""Do one job, in this process or by as many as it takes."""

from pathlib import Path

from bench.jobs.model import Job
from bench.launch import ranks
from bench.launch.nodes import Nodes, lead
from bench.worker.execute import execute
from bench.worker.outcome import Outcome, Stop


def do(job: Job, root: Path, *, gpus: list[str], stop: Stop, shared_by: int = 1, nodes: Nodes | None = None) -> Outcome:
    """Do a job by `gpus_per_run` processes: on this machine, or on all nodes of an allocation whose first this is.

    gpus: one for each process here, none on the CPU. This process must not have used a GPU if it forks others, since
    they could not then.
    """
    if ranks.count(job) == 1:
        return execute(job, root, stop=stop, shared_by=shared_by)
    if nodes:
        return lead(nodes, job, root, gpus=gpus, stop=stop, shared_by=shared_by)
    return ranks.run(job, root, gpus=gpus, stop=stop, shared_by=shared_by)
