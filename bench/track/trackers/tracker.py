"""What every tracker does, and what it says of a job."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from bench.track.record import Key, Point, Record, Shown


@dataclass(frozen=True)
class TrackedJob:
    """What a tracker has of a job already. began: of the execution that it was first told of. state: as it was told
    last; None where it keeps none."""

    points: dict[Key, float] = field(default_factory=dict)
    began: float = 0.0
    state: Shown | None = None


class Tracker(Protocol):
    """A tool's store in a folder that nobody else writes to meanwhile.

    What was written is there even if this process is killed at once, and what was half written is not: `look_up` reads
    it from the store itself, so that nothing is there twice.
    """

    def look_up(self, key: str) -> TrackedJob | None:
        """What there is under a key: the identity of a job, or one with `@2` and so on behind it; None for nothing."""

    def write(self, key: str, record: Record, new: list[Point]) -> None:
        """Add points that are not there, none of them twice. record: the job as a whole. new: none where only its state
        has changed."""

    def close(self) -> None:
        """Let go of the store."""

    def usage(self) -> str:
        """The command that shows what is there."""
