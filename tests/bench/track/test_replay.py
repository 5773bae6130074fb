"""What is brought to a tracker: each number once, whatever became of the job meanwhile."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bench.track.record import Point, Record
from bench.track.replay import Replay
from bench.track.trackers import TrackedJob


class Memory:
    """A tracker that holds what it was given; twice the same is an error."""

    def __init__(self):
        self.jobs = {}

    def look_up(self, key):
        return self.jobs.get(key)

    def write(self, key, record, new):
        kept = self.jobs.get(key) or TrackedJob({}, record.began, record.state)
        points = [point.key for point in new]
        assert len(set(points)) == len(points) and not set(points) & set(kept.points), "told twice"
        self.jobs[key] = TrackedJob(kept.points | {p.key: p.value for p in new}, kept.began, record.state)


def record(*points, began=1.0, state="running", id="a-0"):
    return Record(id, "run", id, "tiny", state, began, {}, list(points))


def fixed(step, value, series="run/epoch_loss"):
    return Point(series, step, value, 5.0)


def line(step, value=1.0):
    return Point("run/loss", step, value, 5.0, fixed=False)


def brought(tracker, *records):
    replay = Replay(tracker)  # as another command does: it knows nothing
    replay.bring(records)
    return replay.points


def test_what_is_there_is_not_brought_again():
    tracker, one = Memory(), record(fixed(1, 2.0), line(1))
    assert brought(tracker, one) == 2 and brought(tracker, one) == 0
    grown = replace(one, points=[*one.points, fixed(2, 1.5), line(2)])
    assert brought(tracker, grown) == 2 and brought(tracker, grown) == 0
    assert brought(tracker, replace(grown, state="done")) == 0 and tracker.jobs["a-0"].state == "done"


def test_what_a_job_does_again_after_a_checkpoint_is_told_once():
    """It logs at other steps then; on a GPU it may also come to another number."""
    tracker = Memory()
    brought(tracker, record(line(1), line(4), fixed(4, 1.0)))
    assert brought(tracker, record(line(1), line(3), line(4), line(5), fixed(4, 1.001))) == 1
    assert set(tracker.jobs) == {"a-0"} and tracker.jobs["a-0"].points["run/epoch_loss", 4] == 1.0


def test_a_job_that_was_made_again_with_equal_numbers_is_the_same():
    tracker = Memory()
    brought(tracker, record(fixed(1, 2.0), line(1), line(2)))
    again = record(fixed(1, 2.0 * (1 + 1e-7)), fixed(2, 1.0), line(1), line(3), began=9.0)
    assert brought(tracker, again) == 2, "what there is beyond"
    assert set(tracker.jobs) == {"a-0"}


def test_one_that_was_made_again_with_other_numbers_is_kept_beside():
    tracker = Memory()
    first, second = record(fixed(1, 2.0), line(1)), record(fixed(1, 2.5), line(1), began=9.0)
    third = record(fixed(1, 3.0), began=11.0)
    assert [brought(tracker, one) for one in (first, second, third)] == [2, 2, 1]
    assert [brought(tracker, one) for one in (first, second, third)] == [0, 0, 0]
    assert {key: kept.points["run/epoch_loss", 1] for key, kept in tracker.jobs.items()} == {
        "a-0": 2.0, "a-0@2": 2.5, "a-0@3": 3.0,
    }  # fmt: skip


def test_done_jobs_are_not_looked_at_again():
    replay = Replay(Memory())
    replay.bring([record(fixed(1, 2.0), state="done"), record(fixed(1, 2.0), id="b-0")])
    assert replay.done == {"a-0"}


@given(st.lists(st.integers(0, 12), max_size=6))
def test_however_often_one_looks_the_same_is_there(cuts):
    points = [point for step in range(6) for point in (fixed(step, float(step)), line(step))]
    once, often = Memory(), Memory()
    brought(once, record(*points))
    for cut in sorted(cuts):
        brought(often, record(*points[:cut]))
    brought(often, record(*points))
    assert often.jobs == once.jobs
