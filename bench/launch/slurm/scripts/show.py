"""The scripts that `bench run` would submit, without submitting anything."""

from bench.launch.slurm import squeue
from bench.launch.slurm.scripts import script
from bench.launch.slurm.submission.groups import make_arrays, section
from bench.launch.slurm.submission.record import Submission
from bench.launch.slurm.submission.snapshot import folders_beside
from bench.plan import Plan
from bench.store import Store


def show(plan: Plan, store: Store) -> None:
    """Print the scripts that `run` would submit now."""
    for line in scripts(plan, store):
        print(line)


def scripts(plan: Plan, store: Store) -> list[str]:
    """Return a heading and the script of each array; ids that Slurm has still to give are named after their array."""
    todo = {id: job for id, job in plan.jobs.items() if not store.job(job).done()}
    arrays = make_arrays(todo, section(plan), {}, squeue.max_array_size())
    code = store.root.absolute() / "code" / "SNAPSHOT"
    submission = Submission.planned(plan, store, arrays, code, "DIGEST", folders_beside(plan))
    names: list[str | None] = [f"JOB{number}" for number in range(len(arrays))]
    lines = []
    for number, array in enumerate(arrays):
        jobs = sum(len(group) for group in array.groups)
        lines += [f"# JOB{number}: {jobs} jobs ({array.kind}) in {len(array.groups)} allocations"]
        lines += [script.text(submission, number, array, names)]
    return lines
