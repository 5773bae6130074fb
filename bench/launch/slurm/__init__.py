"""Slurm: the jobs of a plan as arrays that wait for each other. Nothing here has to stay alive while they run."""

from pathlib import Path

from bench.errors import BenchError
from bench.launch.progress import Progress
from bench.launch.schedule import Schedule
from bench.launch.slurm import halt, script, squeue
from bench.launch.slurm.follow import Follower
from bench.launch.slurm.groups import make_arrays
from bench.launch.slurm.record import Submission
from bench.launch.slurm.snapshot import outside, snapshot
from bench.launch.slurm.submit import submit
from bench.launch.slurm.view import View
from bench.plan import Plan
from bench.store import Store
from bench.suite.slurm import Slurm

__all__ = ["View", "halt", "run", "show", "squeue"]


def run(schedule: Schedule, root: Path, progress: Progress, plan: Plan, *, detach: bool) -> bool:
    """Submit what is not submitted, and follow. Returns whether following was interrupted."""
    store = schedule.store
    view = View(store, plan.suite.name)

    if not view.known:
        raise BenchError(
            "Slurm does not answer (squeue); what was submitted before is unknown, so nothing was submitted"
        )
    queued = {job: name for job, (name, made) in view.jobs.items() if view.stands(name, made)}
    for job in queued.keys() & plan.jobs.keys():
        folder = store.job(plan.jobs[job])
        if view.failed(folder, folder.failure()):  # in an allocation that goes on with others
            del queued[job]
    todo = {id: e.job for id, e in schedule.entries.items() if e.state == "pending" and id not in queued}
    if todo:
        arrays = make_arrays(todo, section(plan), queued, squeue.max_array_size())
        submission = Submission.new(plan, store, arrays, snapshot(plan, store), _beside(plan), schedule.fail_fast)
        count = submit(arrays, submission)
        progress.say(f"submitted {len(todo)} jobs as {count} allocations in {len(arrays)} arrays ({submission.folder})")
    if queued:
        progress.say(f"{len(queued)} jobs are queued or running already")
    where = "" if str(root) == "results" else f" --results {root}"
    progress.say(f"look: python -m bench status {plan.suite.path}{where}")
    progress.say(f"stop: python -m bench cancel {plan.suite.path}{where}")
    if detach:
        return False
    interrupted = Follower(schedule, progress, View(store, plan.suite.name)).run()
    if interrupted:
        progress.say("no longer followed; Slurm goes on")
    return interrupted


def section(plan: Plan) -> Slurm:
    return plan.suite.file.slurm or Slurm()


def show(plan: Plan, store: Store) -> None:
    """Print the scripts that `run` would submit now."""
    for line in scripts(plan, store):
        print(line)


def scripts(plan: Plan, store: Store) -> list[str]:
    """A heading and the script of each array; ids that Slurm has still to give are named after their array."""
    todo = {id: job for id, job in plan.jobs.items() if store.job(job).result() is None}
    arrays = make_arrays(todo, section(plan), {}, squeue.max_array_size())
    code = store.root.absolute() / "code" / "SNAPSHOT"
    submission = Submission.planned(plan, store, arrays, code, _beside(plan))
    names: list[str | None] = [f"JOB{number}" for number in range(len(arrays))]
    lines = []
    for number, array in enumerate(arrays):
        jobs = sum(len(group) for group in array.groups)
        lines += [f"# JOB{number}: {jobs} jobs ({array.kind}) in {len(array.groups)} allocations"]
        lines += [script.text(submission, number, array, names)]
    return lines


def _beside(plan: Plan) -> list[str]:
    """Folders that methods from outside may import more from."""
    return sorted({str(Path(file).resolve().parent) for file in outside(plan)})
