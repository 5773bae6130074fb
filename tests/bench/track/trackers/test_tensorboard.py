"""TensorBoard reads what is written, and a file that was cut goes on where it was whole."""

from dataclasses import replace

import pytest

pytest.importorskip("tensorboard", reason="needs the extra `tensorboard`")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from bench.errors import BenchError
from bench.store import JobDir
from bench.track.record import Point, Record
from bench.track.replay import Replay
from bench.track.trackers import open_tracker
from tests.bench.tiny import bench

ID = "wave-L3-d16-digits-s0-0123456789ab"
POINTS = [Point("run/loss", step, 1 / step, 1000.0 + step, fixed=False) for step in (1, 2, 3)]
POINTS += [Point("run/epoch_loss", 3, 0.1, 1003.0), Point("eval/top1", 0, 10.0, 1000.5)]
RECORD = Record(ID, "run", "mine-L3-0123456789ab", "tiny", "running", 999.25, {"method": "mine", "seed": 0}, POINTS)


def brought(folder, *records):
    replay = Replay(open_tracker("tensorboard", folder))
    replay.bring(records)
    return replay.points


def shown(folder):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(e.step, e.value, e.wall_time) for e in accumulator.Scalars(tag)] for tag in tags}, accumulator


def test_tensorboard_shows_it_with_its_facts(tmp_path):
    assert brought(tmp_path, RECORD) == 5 and brought(tmp_path, RECORD) == 0
    series, accumulator = shown(tmp_path / "run" / "mine-L3-0123456789ab")
    assert series["run/loss"] == [(1, 1.0, 1001.0), (2, 0.5, 1002.0), (3, pytest.approx(1 / 3), 1003.0)]
    assert series["run/epoch_loss"] == [(3, pytest.approx(0.1), 1003.0)] and series["eval/top1"] == [(0, 10.0, 1000.5)]
    content = accumulator.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    facts = metadata.parse_session_start_info_plugin_data(content)
    assert facts.hparams["method"].string_value == "mine" and facts.start_time_secs == 999.25


def test_what_comes_later_is_appended(tmp_path):
    brought(tmp_path, RECORD)
    (path,) = tmp_path.glob("*/*/*tfevents*")
    before = path.read_bytes()
    later = replace(RECORD, points=[*POINTS, Point("run/loss", 4, 0.25, 1004.0, fixed=False)])
    assert brought(tmp_path, later) == 1 and path.read_bytes()[: len(before)] == before
    assert [step for step, *_ in shown(path.parent)[0]["run/loss"]] == [1, 2, 3, 4]


def test_a_file_that_was_cut_anywhere_is_completed(tmp_path):
    brought(tmp_path, replace(RECORD, points=POINTS[:1]))
    (path,) = tmp_path.glob("*/*/*tfevents*")
    begun = len(path.read_bytes())
    brought(tmp_path, RECORD)
    whole = path.read_bytes()
    for end in range(begun, len(whole), 7):
        path.write_bytes(whole[:end])
        assert brought(tmp_path, RECORD) > 0 and path.read_bytes() == whole
    for damaged in (whole[:10], whole[:40] + b"x" + whole[41:]):
        path.write_bytes(damaged)
        with pytest.raises(BenchError, match="damaged; remove it"):
            brought(tmp_path, RECORD)


def test_one_that_was_made_again_with_other_numbers_has_a_folder_of_its_own(tmp_path):
    again = replace(RECORD, began=2000.0, points=[Point("run/epoch_loss", 3, 0.2, 2003.0)])
    assert [brought(tmp_path, one) for one in (RECORD, again, RECORD, again)] == [5, 1, 0, 0]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"mine-L3-0123456789ab", "mine-L3-0123456789ab@2"}


def test_a_label_that_is_called_otherwise_does_not_make_it_new(tmp_path):
    """The same job in another suite, which calls it by another name."""
    brought(tmp_path, RECORD)
    assert brought(tmp_path, replace(RECORD, name="theirs-L3-0123456789ab")) == 0


def test_the_command_on_real_results(tiny, tmp_path):
    out = tmp_path / "out"
    for _ in range(2):
        assert bench("track", *tiny, "--to", "tensorboard", "--out", out) == 0
    (run,) = (out / "run").iterdir()
    series, _ = shown(run)
    result = JobDir(tmp_path / "r" / "jobs" / "run" / read_back(out, run)).result()
    assert [(step, value) for step, value, _ in series["run/epoch_loss"]] == [
        (point["step"], pytest.approx(point["loss"], rel=1e-6)) for point in result["training"]["run"]
    ]
    assert [step for step, *_ in series["eval/top1"]] == [point["step"] for point in result["evals"]]
    assert series["result/top1"][0][1] == pytest.approx(result["top1"], rel=1e-6)
    assert {path.name for path in out.iterdir()} == {"ancestor", "learngene", "start", "run", "track.json"}


def read_back(out, folder):
    """The identity of the job that a folder is of: the hash at its end."""
    (path,) = (out.parent / "r" / "jobs" / "run").glob(f"*-{folder.name.rpartition('-')[2]}")
    return path.name
