"""Damaged files of every kind: a message, the job made again or named, and the rest goes on."""

import json
import os
import time

import pytest

from bench import files
from bench.data import DataError, DataSettings, describe
from bench.store import JobDir, log
from bench.store.lock import Lock, process_start
from tests.bench.tiny import bench, rows, write
from tests.chaos.corruptions import trials

SUITE = """
name: tiny
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: [1, 2]}]
methods: {random: {}}
train: {epochs: 0}
seeds: 1
"""


def test_forty_seeded_corruptions():
    """tests/chaos/corruptions.py does hundreds; the table is in results/reference/corruptions.md."""
    done = list(trials(range(1000, 1040)))
    assert len(done) == 40 and [one for one in done if one.problem] == []


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "result.json")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("result.json", "folder", "loop"):
        with pytest.raises(ValueError, match=f"{name}: not a file"):
            files.read_json(tmp_path / name)
        assert not files.is_whole(tmp_path / name) and log.read(tmp_path / name) == []
    (tmp_path / "deep").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="truncated or not a result"):
        files.read_json(tmp_path / "deep")


@pytest.fixture
def ran(tmp_path):
    suite = write(tmp_path, SUITE)
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r") == 0
    return suite, sorted((tmp_path / "r" / "jobs" / "run").iterdir())


@pytest.mark.parametrize("name", ["../../dev/zero", "/dev/zero", "..", "", "a/b"])
def test_an_artifact_is_a_file_of_the_job(name, ran, tmp_path, capsys):
    suite, (first, _) = ran
    result = JobDir(first).result()
    result["artifacts"][name] = {"bytes": 0, "mtime_ns": 0, "sha256": ""}
    files.write_json(first / "result.json", result)
    assert "expected the name of a file beside it" in JobDir(first).damage()
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r") == 0
    assert "made again" in capsys.readouterr().out
    assert [row["status"] for row in rows(tmp_path / "r")] == ["done", "done"]


def test_a_missing_field_has_the_job_made_again(ran, tmp_path, capsys):
    suite, (first, _) = ran
    result = JobDir(first).result()
    del result["restarts"]
    files.write_json(first / "result.json", result)
    assert bench("report", suite, "--results", tmp_path / "r") == 0
    assert bench("run", suite, "--launcher", "inline", "--results", tmp_path / "r") == 0
    assert "restarts is 'missing', expected int" in capsys.readouterr().out


def test_a_kept_suite_that_is_no_text(ran, tmp_path, capsys):
    suite, _ = ran
    kept = tmp_path / "r" / "tiny" / "suite.yaml"
    kept.write_bytes(b"\xff\xfe" + kept.read_bytes())
    assert bench("status", suite, "--results", tmp_path / "r") == 2
    assert "expected the line that bench run writes" in capsys.readouterr().err


@pytest.mark.parametrize("pid", [-1, 0, 10**25, True, "7", None])
def test_a_lock_of_an_impossible_process_is_nobodys(pid, tmp_path):
    own = Lock(tmp_path / "own")
    assert own.acquire()
    content = json.loads(own.path.read_text())
    own.release()
    (tmp_path / "lock.4").write_text(json.dumps(content | {"pid": pid}))
    os.utime(tmp_path / "lock.4", (0, 0))
    assert Lock(tmp_path).holder() is None
    taker = Lock(tmp_path)
    assert taker.acquire()
    taker.release()


def test_a_lock_from_the_future_is_nobodys(tmp_path):
    (tmp_path / "lock.4").write_text(json.dumps({"pid": 7, "machine": "elsewhere", "host": "elsewhere"}))
    os.utime(tmp_path / "lock.4", (time.time() + 1e6,) * 2)
    assert Lock(tmp_path).holder() is None
    os.utime(tmp_path / "lock.4")
    assert Lock(tmp_path).holder()["host"] == "elsewhere"
    assert process_start(os.getpid()) and process_start(-1) is None is process_start(0)


@pytest.mark.parametrize("label", ["1000000000", "9" * 30, "-5000000", "9" * 5000])
def test_labels_of_a_webdataset_beyond_all_classes(label, tmp_path, monkeypatch):
    import io
    import tarfile

    from PIL import Image

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    for part in ("train", "test"):
        with tarfile.open(tmp_path / f"{part}-000.tar", "w") as tar:
            for name, content in (("1.png", picture.getvalue()), ("1.cls", label.encode())):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    settings = DataSettings(name="shards", source="wds", root=str(tmp_path), img_size=8)
    with pytest.raises(DataError, match="expected a class number"):
        describe(settings)


@pytest.mark.parametrize(
    "fields",
    [
        {"training": [1]}, {"training": {"a": [3]}}, {"training": {"a": [{"epoch": 1.0}]}}, {"unmetered": "x"},
        {"best_epoch": "x"}, {"tuned": {"lr": "x"}}, {"head_used": [1]},
    ],
)  # fmt: skip
def test_newer_fields_of_another_kind_are_damage(fields, tmp_path):
    """The tables read them too: they raised, or one of them stopped the tables of all."""
    cost = {"images": 1, "flops": 1, "seconds": 1.0}
    scores = dict.fromkeys(("top1", "top5", "loss", "val_top1", "top1_init", "best_top1", "epochs"), 1.0)
    result = {"cost": cost, "init_cost": cost, "train_cost": cost, "restarts": 0, "needs": [], "params": 1, "evals": []}
    folder = JobDir(tmp_path / "jobs" / "run" / "one")
    folder.write_result(result | scores, [])
    assert folder.damage() is None
    folder.write_result(result | scores | fields, [])
    assert f"result.json: {next(iter(fields))}" in folder.damage()
