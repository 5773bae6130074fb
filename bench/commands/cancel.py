"""`bench cancel`: take a suite's jobs out of Slurm's queue and stop those that run."""

import argparse
import getpass

from bench.commands.common import last_plan
from bench.errors import BenchError


def main(options: argparse.Namespace) -> int:
    from bench.launch.slurm import View, squeue

    plan, store, _ = last_plan(options.suite, options)
    view = View(store, plan.suite.name)
    if not view.known:
        raise BenchError("Slurm does not answer (squeue), so nothing was cancelled; try again")
    living = view.living()
    tokens = {view.elements[name].token for name in living}
    for submission in view.submissions:
        if submission.data["token"] in tokens:
            submission.halt(f"cancelled by bench cancel ({getpass.getuser()})")
    squeue.scancel(living)
    if living:
        print(f"cancelled {len(living)} Slurm jobs of {plan.suite.name}; bench run goes on where they stopped")
    else:
        print(f"nothing of {plan.suite.name} is queued or running in Slurm")
    for job in plan.jobs.values():
        holder = store.job(job).lock().holder()
        if holder is not None and "slurm" not in holder:
            where = f"{holder.get('host')} (pid {holder.get('pid')})"
            print(f"note: {job.kind} {job.id} runs on {where} without Slurm: stop its launcher there")
    return 0
