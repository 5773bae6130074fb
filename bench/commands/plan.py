"""`bench plan`: what would run, what is done, what it will cost."""

import argparse
from collections import Counter

from bench.commands.common import plan_of
from bench.launch.estimate import work_units
from bench.plan import Plan, each_kind
from bench.results import Reader


def main(options: argparse.Namespace) -> int:
    plan, store = plan_of(options)
    if (options.launcher or plan.suite.file.launcher) == "slurm":
        from bench.launch import slurm

        slurm.show(plan, store)
    reader = Reader(plan, store)
    done = {id for id in plan.jobs if reader.result(id)}
    _runs(plan, done)
    print()
    print(f"{'jobs':<12}{'all':>8}{'done':>8}{'to do':>8}   estimated training FLOPs to do")
    for kind, jobs in each_kind(plan):
        todo = [job for job in jobs if job.id not in done]
        flops = sum(work_units(job) for job in todo)
        print(f"{kind:<12}{len(jobs):>8}{len(jobs) - len(todo):>8}{len(todo):>8}   {flops:.2e}")
    if options.all:
        for job in plan.jobs.values():
            print(f"{'done' if job.id in done else 'to do':<6} {job.kind:<10} {job.id}")
    return 0


def _runs(plan: Plan, done: set[str]) -> None:
    print(f"{plan.suite.name}: {len(plan.cells)} runs")
    print(f"{'method':<24}{'runs':>8}{'done':>8}{'to do':>8}{'skipped':>8}{'epochs':>8}")
    reasons: Counter[tuple[str, str]] = Counter()
    for method in plan.suite.methods:
        cells = [c for c in plan.cells if c.method is method]
        skipped = [c for c in cells if c.skipped]
        ready = sum(c.run in done for c in cells)
        todo = len(cells) - ready - len(skipped)
        length = method.runs.epochs if method.runs.steps is None else f"{method.runs.steps} steps"
        print(f"{method.label:<24}{len(cells):>8}{ready:>8}{todo:>8}{len(skipped):>8}{length:>8}")
        reasons.update((f"{method.label} {c.target}", c.skipped) for c in skipped)
    for (what, reason), n in reasons.items():
        print(f"skipped: {what} ({n} runs): {reason}")
