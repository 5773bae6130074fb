"""Brings to a tracker what it does not have yet of the jobs of a plan."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.track.record import Key, Point, Record
from bench.track.trackers.tracker import Kept, Tracker

CLOSE = 1e-6  # relative difference of equal numbers: some trackers keep 32 bits


@dataclass
class Replay:
    """Knows what a tracker has, as soon as it has asked. jobs, points: what was added to, and how much. done: jobs of
    which nothing more will come."""

    tracker: Tracker
    jobs: set[str] = field(default_factory=set)
    points: int = 0
    done: set[str] = field(default_factory=set)
    _kept: dict[str, Kept | None] = field(default_factory=dict)

    def bring(self, records: Iterable[Record], say: Callable[[int], object] = lambda done: None) -> None:
        """Add what is new of each job. say: takes the number of jobs looked at."""
        for number, record in enumerate(records, start=1):
            key = self.key(record)
            kept = self.kept(key) or Kept()
            new = added(record, kept)
            if new or self._kept[key] is None or kept.state not in (None, record.state):
                self.tracker.write(key, record, new)
                points = kept.points | {point.key: point.value for point in new}
                self._kept[key] = Kept(points, kept.began if kept.points else record.began, record.state)
                self.jobs.add(key)
                self.points += len(new)
            if record.state == "done":
                self.done.add(record.id)
            say(number)

    def kept(self, key: str) -> Kept | None:
        if key not in self._kept:
            self._kept[key] = self.tracker.kept(key)
        return self._kept[key]

    def key(self, record: Record) -> str:
        """The identity of a job; with a number behind it where the job was made again and other numbers came of it:
        both stay, as where results are joined."""
        key, number = record.id, 1
        while (kept := self.kept(key)) is not None and kept.began != record.began and contradict(record, kept.points):
            number += 1
            key = f"{record.id}@{number}"
        return key


def contradict(record: Record, there: dict[Key, float]) -> bool:
    """Whether a number that the identity decides is another one there."""
    shared = (point for point in record.points if point.fixed and point.key in there)
    return any(not math.isclose(point.value, there[point.key], rel_tol=CLOSE) for point in shared)


def added(record: Record, kept: Kept) -> list[Point]:
    """What is not there: of what the identity decides all steps, of the rest those beyond the last one there. So what
    was done twice, after a checkpoint or from the beginning, is told once."""
    last: dict[str, int] = {}
    for series, step in kept.points:
        last[series] = max(step, last.get(series, step))
    return [
        point
        for point in record.points
        if point.key not in kept.points and (point.fixed or point.step > last.get(point.series, -1))
    ]


def follow(look: Callable[[], bool], every: float) -> None:
    """Look again and again, until there is nothing more to come. Ctrl-C ends it."""
    while not look():
        time.sleep(every)
