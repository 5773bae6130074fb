"""`bench status`: the state of every job, from the files, and from Slurm where it was given any: one query for all."""

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from bench.collector import collector_at_rest
from bench.commands.clean import amount
from bench.commands.common import last_plan, nothing_there, of_last_run
from bench.errors import printable
from bench.jobs.model import STATES
from bench.plan import Plan, each_kind
from bench.results.states import JobStanding, JobStates
from bench.store import Store

if TYPE_CHECKING:
    from bench.launch.slurm import View  # not above: few suites were ever there


@collector_at_rest()
def main(options: argparse.Namespace) -> int:
    plan, store, note = last_plan(options.suite, options)
    if note:
        print(printable(note))
    for remark in (of_last_run(options.suite, plan, options), nothing_there(plan, store)):
        if remark:
            print(printable(f"note: {remark}"))
    view = slurm_view(plan, store)
    states = JobStates(plan, store, view, measure=True)
    standings = {id: states.standing(id) for id in plan.jobs}
    print(f"{plan.suite.name}: {len(plan.cells)} runs, {len(plan.jobs)} jobs; results in {store.root}\n")
    _table(plan, {id: standing.state for id, standing in standings.items()})
    _running(plan, store, [id for id, standing in standings.items() if standing.state == "running"])
    if view is not None:
        _slurm(plan, view, standings)
    interrupted = Counter(standing.reason for standing in standings.values() if standing.state == "interrupted")
    for reason, n in interrupted.items():
        print(f"interrupted: {n} jobs: {reason}")
    skipped = Counter((f"{c.method.label} {c.target}", c.skipped) for c in plan.cells if c.skipped)
    for (what, reason), n in skipped.items():
        print(printable(f"skipped: {what} ({n} runs): {reason}"))
    for id, standing in standings.items():
        if standing.state in ("failed", "skipped"):
            print(printable(f"{standing.state}: {plan.jobs[id].kind} {id}: {standing.reason}"))
        if standing.state == "failed":
            print(f"  log: {store.job(plan.jobs[id]).log}")
    if states.cleaned:
        print(
            f"cleaned: {len(states.cleaned)} done jobs have no file any more; one that a job to do needs is made again"
        )
    if states.bytes:
        print(f"size: {amount(states.bytes)} in the folders of these jobs; bench clean tells what can go")
    return 0


def _table(plan: Plan, states: dict[str, str]) -> None:
    """How many jobs of each kind are in each state; a run that its method cannot serve is skipped."""
    print(f"{'':<12}{'all':>8}" + "".join(f"{state:>13}" for state in STATES))
    for kind, jobs in each_kind(plan):
        counts = Counter(states[job.id] for job in jobs)
        if kind == "run":
            counts["skipped"] += sum(bool(c.skipped) for c in plan.cells)
        if counts.total():
            print(f"{kind:<12}{counts.total():>8}" + "".join(f"{counts[state] or '-':>13}" for state in STATES))


def _running(plan: Plan, store: Store, ids: list[str]) -> None:
    for id in ids:
        holder = store.job(plan.jobs[id]).lock().holder() or {}
        where = f"on {holder.get('host')} (pid {holder.get('pid')})"
        where += f", Slurm job {holder['slurm']}" if "slurm" in holder else ""
        step = f", step {holder['step']} of {holder['total']}" if "total" in holder else ""
        loss = f", training loss {holder['loss']:.4g}" if isinstance(holder.get("loss"), float) else ""
        print(printable(f"running: {plan.jobs[id].kind} {id} {where}{step}{loss}"))


def slurm_view(plan: Plan, store: Store) -> "View | None":
    """What Slurm says, where the suite was ever submitted to it."""
    if not (store.suite(plan.suite.name) / "slurm").is_dir():
        return None
    from bench.launch.slurm import View  # not above: few suites were ever there

    return View(store, plan.suite.name)


def _slurm(plan: Plan, view: "View", standings: dict[str, JobStanding]) -> None:
    """What waits in Slurm's queue and why, what was requeued, and what is tried again by itself."""
    if not view.known:
        print("note: Slurm does not answer (squeue); what is queued is not known")
    for id, standing in standings.items():
        if standing.requeued:
            print(printable(f"pending: {plan.jobs[id].kind} {id}: {standing.reason}"))
    queued = Counter(standing.queue for standing in standings.values() if standing.queue and not standing.requeued)
    for reason, n in queued.items():
        print(f"queued: {n} jobs: {reason}")
    if starting := sum(standing.starting for standing in standings.values()):
        print(f"next: {starting} jobs in allocations that run")
    policy = view.submissions[-1].data["arrays"][-1]["retries"] if view.submissions else {}
    if policy and any(standing.state in ("pending", "running") for standing in standings.values()):
        words = ", ".join(f"{kind} {n}" for kind, n in policy.items())
        print(f"retries: {words}; preempted jobs, time-outs with a checkpoint and failed nodes: always")
