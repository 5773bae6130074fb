"""Brings to a tracker what it does not have yet of the jobs of a plan."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.track.record import Key, Point, Record
from bench.track.trackers.tracker import TrackedJob, Tracker

CLOSE = 1e-6  # relative difference of equal numbers: some trackers keep 32 bits


@dataclass
class Replay:
    """Knows what a tracker has, as soon as it has asked. jobs, points: what was added to, and how much. done: jobs of
    which nothing more will come."""

    tracker: Tracker
    jobs: set[str] = field(default_factory=set)
    points: int = 0
    done: set[str] = field(default_factory=set)
    _in_tracker: dict[str, TrackedJob | None] = field(default_factory=dict)

    def bring(self, records: Iterable[Record], say: Callable[[int], object] = lambda done: None) -> None:
        """Add what is new of each job. say: takes the number of jobs looked at."""
        for number, record in enumerate(records, start=1):
            key = self.key(record)
            there = self.look_up(key) or TrackedJob()
            new = added(record, there)
            if new or self._in_tracker[key] is None or there.state not in (None, record.state):
                self.tracker.write(key, record, new)
                points = there.points | {point.key: point.value for point in new}
                self._in_tracker[key] = TrackedJob(points, there.began if there.points else record.began, record.state)
                self.jobs.add(key)
                self.points += len(new)
            if record.state == "done":
                self.done.add(record.id)
            say(number)

    def look_up(self, key: str) -> TrackedJob | None:
        if key not in self._in_tracker:
            self._in_tracker[key] = self.tracker.look_up(key)
        return self._in_tracker[key]

    def key(self, record: Record) -> str:
        """The identity of a job; with a number behind it where the job was made again and other numbers came of it:
        both stay, as where results are joined."""
        key, number = record.id, 1
        while (old := self.look_up(key)) is not None and old.began != record.began and contradict(record, old.points):
            number += 1
            key = f"{record.id}@{number}"
        return key


def contradict(record: Record, there: dict[Key, float]) -> bool:
    """Whether a number that the identity decides is another one there."""
    shared = (point for point in record.points if point.fixed and point.key in there)
    return any(not math.isclose(point.value, there[point.key], rel_tol=CLOSE) for point in shared)


def added(record: Record, there: TrackedJob) -> list[Point]:
    """What is not there: of what the identity decides all steps, of the rest those beyond the last one there. So what
    was done twice, after a checkpoint or from the beginning, is told once."""
    last: dict[str, int] = {}
    for series, step in there.points:
        last[series] = max(step, last.get(series, step))
    return [
        point
        for point in record.points
        if point.key not in there.points and (point.fixed or point.step > last.get(point.series, -1))
    ]


def follow(look: Callable[[], bool], every: float) -> None:
    """Look again and again, until there is nothing more to come. Ctrl-C ends it."""
    while not look():
        time.sleep(every)
