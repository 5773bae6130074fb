"""Weights & Biases in its offline mode: a folder per job, which its own reader reads back."""

import json
import os
import struct
from dataclasses import replace

import pytest

pytest.importorskip("wandb", reason="needs the extra `wandb`")

from wandb.proto import wandb_internal_pb2

from bench.track.record import Point, Record
from bench.track.replay import Replay
from bench.track.trackers import open_tracker
from tests.bench.killed_everywhere import killed_everywhere

ID = "wave-L3-d16-digits-s0-0123456789ab"
POINTS = [Point("aux/loss", 9, 3.0, 1000.0, fixed=False), Point("run/loss", 1, 1.0, 1001.0, fixed=False)]
POINTS += [Point("run/lr", 1, 0.1, 1001.0), Point("eval/top1", 0, 10.0, 1000.5), Point("result/top1", 1, 50.0, 1002.0)]
RECORD = Record(ID, "run", "mine-L3-0123456789ab", "tiny", "running", 999.0, {"method": "mine", "seed": 0}, POINTS)


def brought(folder, *records):
    tracker = open_tracker("wandb", folder)
    try:
        replay = Replay(tracker)
        replay.bring(records)
        return replay.points
    finally:
        tracker.close()


def records(data):
    """What a file of wandb holds, a LevelDB log behind a header of 7 bytes: blocks of 32 KiB with pieces of records."""
    at, whole = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # no room for another piece in this block
            at += 32768 - at % 32768
            continue
        _, size, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a whole one, or the last piece
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def read(folder):
    """Facts, rows and summary of the one run there."""
    (path,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    config, rows, summary = {}, [], {}
    for record in records(path.read_bytes()):
        config |= values(record.run.config.update)
        summary |= values(record.summary.update)
        if record.history.item:
            rows.append({key: value for key, value in values(record.history.item).items() if key[0] != "_"})
    return config, rows, summary


def test_wandb_reads_it_back(tmp_path):
    assert brought(tmp_path, RECORD) == 5 and brought(tmp_path, RECORD) == 0
    config, rows, summary = read(tmp_path)
    assert config["method"] == "mine" and config["seed"] == 0
    assert rows == [
        {"aux/step": 9, "aux/loss": 3.0}, {"eval/step": 0, "eval/top1": 10.0},
        {"run/step": 1, "run/loss": 1.0, "run/lr": 0.1},
    ]  # fmt: skip
    assert summary["result/top1"] == 50.0


def test_a_job_that_grew_has_one_folder_with_all_of_it(tmp_path):
    brought(tmp_path, RECORD)
    later = replace(RECORD, points=[*POINTS, Point("run/loss", 2, 0.5, 1003.0, fixed=False)])
    assert brought(tmp_path, later) == 1
    assert [row["run/step"] for row in read(tmp_path)[1] if "run/step" in row] == [1, 2]
    again = replace(RECORD, began=2000.0, points=[Point("run/lr", 1, 0.2, 2001.0)])
    assert [brought(tmp_path, one) for one in (again, later, again)] == [1, 0, 0]
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2


def test_a_kill_between_two_files_loses_and_doubles_nothing(tmp_path, monkeypatch):
    """wandb's own part, which writes in a process beside, is stood in for here by a file."""
    from bench.track.trackers.wandb import Folders

    def stand_in(self, stage, key, record, points):
        made = stage / "wandb" / f"offline-run-20260101_000000-{key}"
        made.mkdir(parents=True)
        (made / f"run-{key}.wandb").write_text(json.dumps(sorted(points)))

    monkeypatch.setattr(Folders, "_log", stand_in)

    def write():
        for count in (2, 5):
            replay = Replay(Folders(tmp_path))
            replay.bring([replace(RECORD, points=POINTS[:count])])

    for _ in killed_everywhere(write, tmp_path):
        replay = Replay(Folders(tmp_path))
        assert len((replay.look_up(ID) or RECORD).points) in (0, 2, 5)
    (path,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert len(json.loads(path.read_text())) == 5 and not list(tmp_path.glob(".write*"))
    assert os.environ["WANDB_ERROR_REPORTING"] == "false"
