"""`bench track`: what was logged and resulted, shown by TensorBoard, Weights & Biases or MLflow."""

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.commands.common import last_plan, nothing_there
from bench.commands.status import slurm_view
from bench.errors import BenchError, printable
from bench.jobs.model import OVER
from bench.output import at_intervals
from bench.results.states import JobStates
from bench.track import folder
from bench.track.record import records
from bench.track.replay import Replay, follow
from bench.track.trackers import TRACKERS, open_tracker, require

EVERY = 10.0  # seconds between looks with --follow


def main(options: argparse.Namespace) -> int:
    require(options.to)
    plan, store, note = last_plan(options.suite, options)
    for remark in (note, nothing_there(plan, store)):
        if remark:
            print(printable(remark if remark == note else f"note: {remark}"))
    out = options.out or store.suite(plan.suite.name) / "track" / options.to
    folder.check(out, options.to, store.root, force=options.force)
    with folder.held(out, options.to), told(options.to):
        tracker = open_tracker(options.to, out)
        replay = Replay(tracker)
        progress = at_intervals(lambda done: f"{done} jobs looked at, of {len(plan.jobs)} at most")

        def look() -> bool:
            states = JobStates(plan, store, slurm_view(plan, store))
            over = all(states.standing(id).state in OVER for id in plan.jobs)  # before: what comes meanwhile is seen
            before = replay.points
            replay.bring(records(plan, states, replay.done), progress)
            if options.follow and replay.points > before:
                print(f"{time.strftime('%H:%M:%S')} {replay.points - before} points", flush=True)
            return over

        try:
            follow(look, EVERY) if options.follow else look()
        finally:
            tracker.close()
    print(f"{out}: {replay.points} points added, to {len(replay.jobs)} jobs\n{tracker.usage()}")
    return 0


@contextmanager
def told(name: str) -> Iterator[None]:
    """Errors of the tracker's own packages end the command with their message."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in TRACKERS[name].packages:
            raise
        raise BenchError(f"{name}: {error}") from None
