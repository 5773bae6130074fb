"""`bench status`: the state of every job, from the files."""

import argparse
from collections import Counter

from bench.commands.common import last_plan
from bench.plan import each_kind
from bench.results import Reader

STATES = ("done", "running", "pending", "interrupted", "failed", "skipped")


def main(options: argparse.Namespace) -> int:
    plan, store, note = last_plan(options.suite, options)
    if note:
        print(note)
    reader = Reader(plan, store)
    print(f"{plan.suite.name}: {len(plan.cells)} runs, {len(plan.jobs)} jobs")
    print(f"{'':<12}" + "".join(f"{state:>12}" for state in STATES))
    for kind, jobs in each_kind(plan):
        counts = Counter(reader.state(job.id)[0] for job in jobs)
        if kind == "run":
            counts["skipped"] += sum(bool(c.skipped) for c in plan.cells)
        print(f"{kind:<12}" + "".join(f"{counts[state] or '':>12}" for state in STATES))
    for job in plan.jobs.values():
        state, _ = reader.state(job.id)
        if state == "running":
            note = store.job(job).lock().holder() or {}
            where = f"on {note.get('host')} (pid {note.get('pid')})"
            step = f", step {note['step']} of {note['total']}" if "total" in note else ""
            print(f"running: {job.kind} {job.id} {where}{step}")
    for (what, reason), n in Counter(
        (f"{c.method.label} {c.target}", c.skipped) for c in plan.cells if c.skipped
    ).items():
        print(f"skipped: {what} ({n} runs): {reason}")
    for job in plan.jobs.values():
        state, reason = reader.state(job.id)
        if state in ("failed", "skipped"):
            print(
                f"{state}: {job.kind} {job.id}: {reason}"
                + (f"\n  log: {store.job(job).log}" if state == "failed" else "")
            )
    return 0
