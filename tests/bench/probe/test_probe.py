"""`bench plan --probe`: times by real steps, by kind and size."""

import re

import pytest

from bench.plan import make_plan
from bench.probe import lab, probe
from bench.probe.random_data import RandomSplit
from bench.suite import load
from bench.train.fit import Fit
from tests.bench.tiny import SUITE, bench, write

ROW = re.compile(r"^(ancestor|learngene|start|run) (L\d+-d\d+) +(\d+) +(\S+) +(\S+)$", re.M)


def test_every_kind_and_size_is_timed_and_nothing_is_started(tmp_path, capsys, monkeypatch):
    steps = []
    run = Fit.run
    monkeypatch.setattr(Fit, "run", lambda self: (run(self), steps.append((self.name, self.step)))[0])
    file = write(tmp_path)
    assert bench("plan", file, "--probe", "--results", tmp_path / "results") == 0
    out = capsys.readouterr().out
    assert "not in it: decoding images, evaluation" in out and not (tmp_path / "results").exists()
    rows = {(kind, size): (int(n), float(each), float(all)) for kind, size, n, each, all in ROW.findall(out)}
    plan = make_plan(load(file))
    assert sum(n for n, _, _ in rows.values()) == len(plan.jobs)
    for (kind, size), (n, each, hours) in rows.items():
        assert hours == pytest.approx(n * each, rel=1e-2)
        assert hours > 0, (kind, size)
    assert {size for kind, size in rows if kind == "run"} == {"L1-d16", "L3-d16"}
    assert {name for name, _ in steps} >= {"ancestor", "run"} and all(n <= lab.SKIP + lab.STEPS[1] for _, n in steps)
    # two sizes of runs, equal for all methods and seeds, are timed once each; distilling methods train more
    assert sum(name == "run" for name, _ in steps) == 2
    total = float(re.search(r"^all +\d+ +(\S+)$", out, re.M)[1])
    assert total == pytest.approx(sum(hours for _, _, hours in rows.values()), rel=1e-2)


def test_time_is_per_image(tmp_path):
    """Twice the epochs, twice the time: what is timed is extrapolated over the whole recipe."""
    plans = [make_plan(load(write(tmp_path), [f"train.epochs={n}"]), ["random-*"]) for n in (4, 8)]
    clock = iter(range(10**6))
    times = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RandomSplit, "now", lambda self: float(next(clock)))
        for plan in plans:
            runs = [job for job in plan.jobs.values() if job.kind == "run"]
            times.append(sum(probe.timed(plan, runs).values()))
    assert times[1] == pytest.approx(2 * times[0])
    # the clock ticks once between its two readings, whatever the number of steps: four runs of one tick
    steps = lab.STEPS[1]
    assert times[0] == pytest.approx(2 * 2 * 4 * (1077 // 216) / steps)


def test_without_it_plan_stays_light(tmp_path, capsys):
    assert bench("plan", write(tmp_path, SUITE), "--results", tmp_path / "results") == 0
    assert "not in it" not in capsys.readouterr().out
