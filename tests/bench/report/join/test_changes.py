"""What changed between two tables."""

import pytest
from scipy import stats

from bench.report.join.changes import changes, facts
from tests.bench.report.report_frames import make


def test_runs_are_counted_and_differences_are_paired():
    old = make(methods=("random", "wave"), depths=(2, 4), seeds=4)[0]
    new = old.copy()
    assert changes(old, new)[["same", "difference", "low"]].to_numpy().tolist() == [[8, 0, 0], [8, 0, 0]]
    wave = new["method"] == "wave"
    new.loc[wave, "top1"] += [0.5, 1.0, 1.5, 2.0] * 2
    new.loc[wave & (new["seed"] == 0), "run"] += "x"
    new.loc[~wave & (new["seed"] == 3), "status"] = "pending"
    frame = changes(old, new).set_index("method")
    counts = frame[["same", "other numbers", "other", "new", "gone"]]
    assert counts.loc["wave"].tolist() == [0, 6, 2, 0, 0] and counts.loc["random"].tolist() == [6, 0, 0, 0, 2]
    low, high = stats.t.interval(0.95, 3, 1.25, stats.sem([0.5, 1.0, 1.5, 2.0]))
    assert frame.loc["wave", ["n", "difference"]].tolist() == [4, pytest.approx(1.25)]
    assert frame.loc["wave", ["low", "high"]].tolist() == pytest.approx([low, high])


def test_what_else_differs():
    old = make(methods=("random",), depths=(2,))[0]
    new = old.assign(device_name="Other CPU", engine=2, torch="")
    assert facts(old, new) == ["device: Test CPU in old, Other CPU in new", "engine: 1 in old, 2 in new"]
