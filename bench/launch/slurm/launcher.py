"""Launch by Slurm: submit what is not submitted, and follow it."""

from bench.errors import BenchError
from bench.launch.request import Request
from bench.launch.slurm import squeue
from bench.launch.slurm.submission.groups import make_arrays, section
from bench.launch.slurm.submission.record import Submission
from bench.launch.slurm.submission.snapshot import folders_beside, snapshot
from bench.launch.slurm.submit import submit
from bench.launch.slurm.view.follow import Follower
from bench.launch.slurm.view.view import View


def launch(request: Request) -> bool:
    """Submit and, unless detached, follow. Returns whether following was interrupted; Slurm goes on in any case.

    Raises BenchError where Slurm does not answer: nothing may be submitted twice.
    """
    plan, schedule, progress = request.plan, request.schedule, request.progress
    store = schedule.store
    view = View(store, plan.suite.name)
    if not view.known:
        raise BenchError(
            "Slurm does not answer (squeue); what was submitted before is unknown, so nothing was submitted"
        )
    queued = {job: name for job, (name, submission) in view.jobs.items() if view.stands(name, submission)}
    for job in queued.keys() & plan.jobs.keys():
        folder = store.job(plan.jobs[job])
        if view.failed(folder, folder.failure()):  # in an allocation that goes on with others
            del queued[job]
    todo = {id: e.job for id, e in schedule.entries.items() if e.state == "pending" and id not in queued}
    if todo:
        arrays = make_arrays(todo, section(plan), queued, squeue.max_array_size())
        code, digest = snapshot(plan, store)
        beside = folders_beside(plan)
        submission = Submission.new(plan, store, arrays, code, digest, beside, schedule.fail_fast)
        count = submit(arrays, submission)
        progress.say(f"submitted {len(todo)} jobs as {count} allocations in {len(arrays)} arrays ({submission.folder})")
    if queued:
        progress.say(f"{len(queued)} jobs are queued or running already")
    where = "" if str(store.root) == "results" else f" --results {store.root}"
    progress.say(f"look: python -m bench status {plan.suite.path}{where}")
    progress.say(f"stop: python -m bench cancel {plan.suite.path}{where}")
    if request.detach:
        return False
    interrupted = Follower(schedule, progress, View(store, plan.suite.name)).run()
    if interrupted:
        progress.say("no longer followed; Slurm goes on")
    return interrupted
