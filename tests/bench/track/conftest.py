"""Results to track, and a tracker that needs no package."""

import pytest

from bench.track import trackers
from tests.bench.tiny import write


@pytest.fixture
def recording(monkeypatch):
    """`--to recording`, with what tests/bench/track/recording.py keeps."""
    entry = trackers.Entry("tests.bench.track.recording", ("json",))
    monkeypatch.setitem(trackers.TRACKERS, "recording", entry)
    return "recording"


@pytest.fixture
def tiny(tiny_results, tmp_path):
    """A suite of three jobs that is done, and its results in `r`."""
    tiny_results.rename(tmp_path / "r")
    return [write(tmp_path), "--only", "wave-L3-*-s0", "--results", tmp_path / "r"]
