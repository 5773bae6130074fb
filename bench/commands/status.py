"""`bench status`: the state of every job, from the files."""

import argparse
from collections import Counter

from bench.commands.common import last_plan
from bench.plan import Plan, each_kind
from bench.results import Reader
from bench.store import Store

STATES = ("done", "running", "pending", "interrupted", "failed", "skipped")


def main(options: argparse.Namespace) -> int:
    plan, store, note = last_plan(options.suite, options)
    if note:
        print(note)
    reader = Reader(plan, store)
    states = {id: reader.state(id) for id in plan.jobs}
    print(f"{plan.suite.name}: {len(plan.cells)} runs, {len(plan.jobs)} jobs; results in {store.root}\n")
    _table(plan, {id: state for id, (state, _) in states.items()})
    _running(plan, store, [id for id, (state, _) in states.items() if state == "running"])
    skipped = Counter((f"{c.method.label} {c.target}", c.skipped) for c in plan.cells if c.skipped)
    for (what, reason), n in skipped.items():
        print(f"skipped: {what} ({n} runs): {reason}")
    for id, (state, reason) in states.items():
        if state in ("failed", "skipped"):
            print(f"{state}: {plan.jobs[id].kind} {id}: {reason}")
        if state == "failed":
            print(f"  log: {store.job(plan.jobs[id]).log}")
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
        step = f", step {holder['step']} of {holder['total']}" if "total" in holder else ""
        print(f"running: {plan.jobs[id].kind} {id} {where}{step}")
