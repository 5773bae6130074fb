"""`bench plan`: what would run, what is done, what it will cost."""

import argparse
import time
from collections import Counter

from bench import models
from bench.collector import collector_at_rest
from bench.commands.common import plan_of, require_device, warn_of_other_suite
from bench.jobs import Job
from bench.plan import Plan, each_kind
from bench.plan.controls import proposals
from bench.results import data_record, earlier, weights
from bench.results.cleaned import made_again
from bench.results.rows import JobStates

MANY = 30  # sizes, or reasons, beyond which a list is cut
PACE = 30e9  # FLOPs a second of one core of a server of 2021 on models of width 64, as results/reference/protocol.md
GPU_PACE = 25e12  # of one GPU, as headers of suites assume: DeiT-S trained end to end on an A100, 893 images a second


@collector_at_rest()
def main(options: argparse.Namespace) -> int:
    plan, store = plan_of(options)
    launcher = options.launcher or plan.suite.file.launcher
    require_device(plan, launcher)
    if launcher == "slurm":
        from bench.launch import slurm

        slurm.show(plan, store)
    warn_of_other_suite(plan, store, options.suite, "bench run would replace them")
    states = JobStates(plan, store)
    done = {id for id in plan.jobs if states.result(id)}
    again = made_again(plan.jobs.values(), done.__contains__, lambda job: states.result(job.id))
    done -= {job.id for job in again}
    print(f"{plan.suite.name}: {len(plan.cells)} runs, {len(plan.jobs)} jobs; results in {store.root}\n")
    _data(plan)
    for note in (earlier.note(plan, store), weights.note(plan, store)):
        if note:
            print(f"{note}\n")
    for job in again:
        print(f"note: {job.kind} {job.id} is made again: bench clean removed its files, which are needed")
    _sizes(plan)
    _runs(plan, done)
    _jobs(plan, done, states)
    if not options.only and (lines := proposals(plan)):
        print("\nno `random` takes as much training as these methods do in all; to add below `methods`:")
        print(*(f"  {line}" for line in lines), sep="\n")
    if options.probe:
        todo = [job for job in plan.jobs.values() if job.id not in done]
        _probe(plan, [job for job in todo if not plan.as_planned(job.id).may_not_train])
    if options.all:
        print()
        for job in plan.jobs.values():
            print(f"{'done' if job.id in done else 'to do':<6} {job.kind:<10} {job.id}")
    return 0


def _data(plan: Plan) -> None:
    """What identities see of the images, for each data set that is the user's own."""
    for entry in data_record.entries(plan.suite):
        if "content" in entry.description.fingerprint:
            content = entry.description.fingerprint["content"]
            print(f"{entry.name}: fingerprint {content['digest'][:12]} ({content['form']})")


def _sizes(plan: Plan) -> None:
    """Parameters and cost of each target, from closed forms."""
    sizes = dict.fromkeys((cell.target, cell.data.name, cell.spec) for cell in plan.cells)
    print(f"{'target':<24}{'data set':<16}{'parameters':>14}{'MACs an image':>16}")
    for target, data, spec in list(sizes)[:MANY]:
        print(f"{target:<24}{data:<16}{models.params(spec):>14,}{models.macs(spec):>16,}")
    if len(sizes) > MANY:
        print(f"and {len(sizes) - MANY} more")
    print()


def _runs(plan: Plan, done: set[str]) -> None:
    print(f"{'method':<24}{'runs':>8}{'done':>8}{'to do':>8}{'skipped':>8}   training of a run")
    reasons: Counter[tuple[str, str]] = Counter()
    for method in plan.suite.methods:
        cells = [c for c in plan.cells if c.method is method]
        skipped = [c for c in cells if c.skipped]
        ready = sum(c.run in done for c in cells)
        todo = len(cells) - ready - len(skipped)
        length = f"{method.runs.epochs} epochs" if method.runs.steps is None else f"{method.runs.steps} steps"
        print(f"{method.label:<24}{len(cells):>8}{ready:>8}{todo:>8}{len(skipped):>8}   {length}")
        reasons.update((f"{method.label} {c.target}", c.skipped or "") for c in skipped)
    for (what, reason), n in list(reasons.items())[:MANY]:
        print(f"skipped: {what} ({n} runs): {reason}")
    if len(reasons) > MANY:
        print(f"skipped: and {len(reasons) - MANY} more sizes")
    print()


def _jobs(plan: Plan, done: set[str], states: JobStates) -> None:
    """Jobs by kind, with the estimated FLOPs to do; and the time, at the speed of what is done."""
    print(f"{'jobs':<24}{'all':>8}{'done':>8}{'to do':>8}{'':8}   training to do, estimated")
    left = spent = seconds = 0.0
    for kind, jobs in each_kind(plan):
        if not jobs:
            continue
        todo = [job for job in jobs if job.id not in done]
        flops = sum(plan.training_flops(job.id) for job in todo)
        cost = f"{flops:.1e} FLOPs" if flops else "no training" if todo else "-"
        print(f"{kind:<24}{len(jobs):>8}{len(jobs) - len(todo):>8}{len(todo):>8}{'':8}   {cost}")
        left += flops
        for job in jobs:
            if job.id in done and (trained := plan.training_flops(job.id)):  # what trains nothing tells no speed
                spent += trained
                seconds += states.result(job.id).get("cost", {}).get("seconds", 0.0)
    if optional := sum(plan.as_planned(job.id).may_not_train for job in plan.jobs.values()):
        print(f"not counted: {optional} runs that widen the grid of learning rates, trained where its edge is the best")
    if left and seconds:
        print(f"about {duration(left * seconds / spent)} on one worker, at the speed of the jobs that are done")
    elif left and _for_gpu(plan):
        pace = f"about {duration(left / GPU_PACE)} of one GPU at {GPU_PACE / 1e12:.0f} TFLOP a second"
        print(f"in all {left:.1e} FLOPs: {pace} (assumed: DeiT-S on an A100; models below")
        print("DeiT-Ti are slower), teachers, evaluation and waiting for images left out; --probe times this machine")
    elif left:
        pace = f"about {duration(left / PACE)} of one core at {PACE / 1e9:.0f} GFLOP a second"
        print(f"in all {left:.1e} FLOPs: {pace}, evaluation left out; --probe times this machine")
    if len(done) == len(plan.jobs):
        print("all done: bench run would train nothing")


def _for_gpu(plan: Plan) -> bool:
    """Whether its jobs ask for a GPU, or for what a core is slow at. That there is one says nothing: steps of models of
    digits are bound by their launches, and FLOPs would make seconds of an hour."""
    wish = plan.suite.file.device
    return wish == "cuda" or (wish == "auto" and any(cell.recipe.precision != "fp32" for cell in plan.cells))


def _probe(plan: Plan, todo: list[Job]) -> None:
    """Hours of each kind and size of jobs, from a few steps of each on this machine."""
    # not above: they import torch, and a plan does without
    from bench.probe.probe import device_name, timed
    from bench.worker.process import choose_device

    clock = time.perf_counter()
    seconds = timed(plan, todo)
    print(f"\na few steps of each training, timed in {duration(time.perf_counter() - clock)} on {device_name(plan)}")
    print("not in it: decoding images, evaluation, several jobs at once on a device")
    unit = "GPU-hours" if choose_device(plan.suite.file.device) == "cuda" else "CPU-hours"
    if unit == "CPU-hours":
        print("CPU-hours are what processes use of cores, whatever else the machine does")
    print(f"{'jobs to do':<34}{'jobs':>8}{unit + ' each':>18}{unit:>14}")
    rows: dict[tuple[str, str], list[float]] = {}
    for job in todo:
        rows.setdefault((job.kind, plan.description(job.id).size_name), []).append(seconds[job.id] / 3600)
    for (kind, size), hours in rows.items():
        print(f"{kind + ' ' + size:<34}{len(hours):>8}{sum(hours) / len(hours):>18.4g}{sum(hours):>14.4g}")
    print(f"{'all':<34}{len(todo):>8}{'':>18}{sum(map(sum, rows.values())):>14.4g}")


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
