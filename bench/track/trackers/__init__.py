"""The tools that results can be replayed into, a module each: its function `open_tracker(folder)` returns a Tracker."""

from bench.track.trackers.named import TRACKERS, Entry, open_tracker, require
from bench.track.trackers.tracker import TrackedJob, Tracker

__all__ = ["TRACKERS", "Entry", "TrackedJob", "Tracker", "open_tracker", "require"]
