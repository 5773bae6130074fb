"""What a record says of a job: numbers of its result where it is done, of its log where it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.track.record import points_of


def lines(*steps, loss=lambda step: 1 / step, epoch=4, start=100.0):
    made = []
    for step in steps:
        line = {
            "event": "train",
            "time": start + step,
            "fit": "run",
            "epoch": step / epoch,
            "step": step,
            "images": 8 * step,
        }
        line |= {"loss": loss(step), "lr": 0.1, "images_per_second": 50.0}
        made.append(line | ({"epoch_loss": loss(step) + 1} if step % epoch == 0 else {}))
    return made


def evaluated(step, **scores):
    return {"event": "eval", "time": 100.0 + step, "fit": "run", "epoch": 1.0, "step": step, **scores}


RESULT = {
    "started_at": "2026-01-01T00:00:00+0000",
    "training": {"run": [{"epoch": 1.0, "step": 4, "images": 32, "loss": 1.25, "lr": 0.1}]},
    "evals": [
        {"epoch": 0.0, "step": 0, "top1": 10.0, "loss": 2.0},
        {"epoch": 1.0, "step": 4, "top1": 50.0, "loss": 1.0},
    ],
    "top1": 50.0, "top5": 90.0, "loss": 1.0, "params": 7, "peak_memory_bytes": 1000,
    "cost": {"images": 32, "flops": 5.0, "seconds": 3.5, "energy_joules": None},
}  # fmt: skip


def table(points):
    return {point.key: point.value for point in points}


def test_a_job_that_runs_has_what_its_log_says():
    points = points_of({}, [*lines(2, 4), evaluated(0, top1=10.0, val_top1=9.0, loss=2.0)])
    assert table(points) == {
        ("eval/loss", 0): 2.0, ("eval/top1", 0): 10.0, ("eval/val_top1", 0): 9.0,
        ("run/epoch_loss", 4): 1.25, ("run/images_per_second", 2): 50.0, ("run/images_per_second", 4): 50.0,
        ("run/loss", 2): 0.5, ("run/loss", 4): 0.25, ("run/lr", 2): 0.1, ("run/lr", 4): 0.1,
    }  # fmt: skip
    assert {point.time for point in points if point.step == 4} == {104.0}
    assert {point.series for point in points if not point.fixed} == {"run/loss", "run/images_per_second"}


def test_a_done_job_has_its_result_besides_at_its_last_step():
    log = [*lines(2, 4), evaluated(0, top1=10.0, loss=2.0), evaluated(4, top1=50.0, loss=1.0)]
    done = table(points_of(RESULT, log))
    assert {key: value for key, value in done.items() if key[0].startswith("result/")} == {
        ("result/top1", 4): 50.0, ("result/top5", 4): 90.0, ("result/loss", 4): 1.0, ("result/params", 4): 7.0,
        ("result/images", 4): 32.0, ("result/flops", 4): 5.0, ("result/seconds", 4): 3.5,
        ("result/peak_memory_bytes", 4): 1000.0,
    }  # fmt: skip
    assert done.items() > table(points_of({}, log)).items()


def test_a_result_without_its_log_has_what_the_identity_decides():
    whole = [*lines(2, 4), evaluated(0, top1=10.0, loss=2.0), evaluated(4, top1=50.0, loss=1.0)]
    with_log = {point.key for point in points_of(RESULT, whole) if point.fixed}
    without = points_of(RESULT, [])
    assert with_log - {point.key for point in without} == {("run/lr", 2)}, "a line within an epoch"
    assert {point.time for point in without} == {1767225600.0}


@given(st.lists(st.sampled_from([float("nan"), float("inf"), None, True, "x"]), min_size=1, max_size=3))
def test_what_is_no_number_is_left_out(values):
    log = [line | {"loss": value} for line, value in zip(lines(1, 2, 3), values, strict=False)]
    assert not any(series == "run/loss" for series, _ in table(points_of({}, log)))


def test_names_of_fits_become_names_that_every_tracker_takes():
    log = [line | {"fit": 'a/b:"c"', "epoch": 1.0} for line in lines(4)]
    assert {point.series.rpartition("/")[0] for point in points_of({}, log)} == {"a_b__c_"}


@pytest.mark.parametrize("line", [{"event": "train"}, {"event": "train", "fit": "run", "step": "x"}, {"event": "eval"}])
def test_lines_that_say_something_else_are_left_out(line):
    assert points_of({}, [line]) == []
