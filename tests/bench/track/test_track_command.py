"""`bench track`, with a tracker that needs no package: during and after, twice, and killed in between."""

import os
import re
import threading
from collections import Counter
from pathlib import Path

import pytest

from bench.commands import track
from bench.store import JobDir
from tests.bench.killed_everywhere import killed_everywhere
from tests.bench.tiny import bench
from tests.bench.track import recording as module


def keys(folder):
    return Counter((line["key"], line["series"], line["step"]) for line in module.written(folder) if "series" in line)


def cut_in_half(path):
    """As where a process is killed while it writes a job's points."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    path.write_text("".join(lines[: len(lines) // 2])) if lines else None


@pytest.fixture
def command(tiny, recording, tmp_path):
    return ["track", *tiny, "--to", recording, "--out", tmp_path / "out"]


def test_all_jobs_of_the_suite_once(command, tmp_path, capsys):
    assert bench(*command) == 0
    out = tmp_path / "out"
    first = module.written(out)
    assert set(keys(out).values()) == {1} and len({line["key"] for line in first}) == 4
    assert {line["facts"]["kind"] for line in first} == {"ancestor", "learngene", "start", "run"}
    (run,) = {line["key"] for line in first if line["facts"]["kind"] == "run"}
    facts = next(line["facts"] for line in first if line["key"] == run)
    assert (facts["method"], facts["target"], facts["depth"], facts["seed"]) == ("wave", "L3-d16", 3, 0)
    result = JobDir(tmp_path / "r" / "jobs" / "run" / run).result()
    told = {(line["series"], line["step"]): line["value"] for line in first if line["key"] == run}
    assert told["result/top1", result["evals"][-1]["step"]] == result["top1"]
    for point in result["training"]["run"]:
        assert told["run/epoch_loss", point["step"]] == point["loss"]
    assert f"{len(first)} points added, to 4 jobs" in capsys.readouterr().out
    assert bench(*command) == 0 and module.written(out) == first
    assert "0 points added, to 0 jobs" in capsys.readouterr().out


def test_the_page_lists_the_series(command, tmp_path):
    assert bench(*command) == 0
    page = (Path(__file__).parents[3] / "docs" / "track.md").read_text()
    listed = set(re.findall(r"`(\S+/\S+)`", page.partition("## What is told")[2].partition("##")[0]))
    told = {line["series"] for line in module.written(tmp_path / "out")}
    fits = {"ancestor", "aux", "scalers", "run"}
    told = {f"FIT/{name}" if fit in fits else f"{fit}/..." if fit == "result" else f"{fit}/{name}"
            for fit, _, name in (series.partition("/") for series in told)}  # fmt: skip
    assert told == listed


def test_a_job_that_gained_rows_gets_these_alone(command, tmp_path):
    (log,) = (tmp_path / "r" / "jobs" / "run").glob("wave-L3-*-s0-*/log.jsonl")
    whole, result = log.read_text(), log.with_name("result.json")
    result.rename(tmp_path / "result.json")
    log.write_text("".join(whole.splitlines(keepends=True)[:3]))
    assert bench(*command) == 0
    before = module.written(tmp_path / "out")
    log.write_text(whole)
    (tmp_path / "result.json").rename(result)
    assert bench(*command) == 0
    after = module.written(tmp_path / "out")
    assert after[: len(before)] == before and len(after) > len(before) and set(keys(tmp_path / "out").values()) == {1}
    assert {line["key"] for line in after[len(before) :]} == {log.parent.name}


def test_a_kill_anywhere_loses_and_doubles_nothing(command, tmp_path):
    assert bench(*command[:-1], tmp_path / "whole") == 0

    def succeeds():
        assert bench(*command) == 0

    for _ in killed_everywhere(succeeds, tmp_path / "out"):
        assert set(keys(tmp_path / "out").values()) <= {1}
        cut_in_half(tmp_path / "out" / module.FILE)
    assert bench(*command) == 0
    assert keys(tmp_path / "out") == keys(tmp_path / "whole")


def test_followed_until_no_job_is_left(command, tmp_path, monkeypatch):
    monkeypatch.setattr(track, "EVERY", 0.01)
    (log,) = (tmp_path / "r" / "jobs" / "run").glob("wave-L3-*-s0-*/log.jsonl")
    text, result = log.read_text().splitlines(keepends=True), log.with_name("result.json")
    result.rename(tmp_path / "result.json")
    log.write_text("".join(text[:2]))
    looked, looks = threading.Event(), []

    def goes_on():
        looked.wait(300)
        for line in text[2:]:
            with log.open("a") as file:
                file.write(line)
        (tmp_path / "result.json").rename(result)

    real = track.records
    monkeypatch.setattr(track, "records", lambda *a: [looks.append(1), looked.set(), *real(*a)][2:])
    writer = threading.Thread(target=goes_on)
    writer.start()
    assert bench(*command, "--follow") == 0
    writer.join()
    assert len(looks) > 1 and set(keys(tmp_path / "out").values()) == {1}
    assert bench(*command[:-1], tmp_path / "whole") == 0
    assert keys(tmp_path / "out") == keys(tmp_path / "whole")


def test_only_a_folder_of_its_own_is_written_to(command, tmp_path, capsys):
    out = tmp_path / "out"
    for place, why in (
        (tmp_path / "r" / "jobs" / "run", "among the jobs"), (tmp_path, "did not write"),
        (tmp_path / "tiny.yaml", "folder"),
    ):  # fmt: skip
        before = sorted(place.iterdir()) if place.is_dir() else []
        assert bench(*command[:-1], place) == 2 and why in capsys.readouterr().err
        assert (sorted(place.iterdir()) if place.is_dir() else []) == before
    out.mkdir()
    (out / "thesis").write_text("mine")
    assert bench(*command) == 2 and "thesis" in capsys.readouterr().err
    assert bench(*command, "--force") == 0 and (out / "thesis").read_text() == "mine"
    assert bench(*command) == 0, "it is its own now"


def test_a_folder_that_cannot_be_written_is_told_before(command, tmp_path, monkeypatch, capsys):
    assert bench(*command[:-1], tmp_path / "tiny.yaml" / "x") == 2
    assert "tiny.yaml is no folder; expected --out with" in capsys.readouterr().err
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    assert bench(*command) == 2
    assert f"{tmp_path} is not writable for you; expected --out with" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_tracker_is_refused(command, tmp_path, recording, monkeypatch, capsys):
    from bench.track import trackers

    assert bench(*command) == 0
    monkeypatch.setitem(trackers.TRACKERS, "other", trackers.TRACKERS[recording])
    command[command.index(recording)] = "other"
    assert bench(*command, "--force") == 2 and "--to recording" in capsys.readouterr().err


def test_one_process_at_a_time(command, tmp_path, capsys):
    from bench.track.folder import held

    with held(tmp_path / "out", "recording"):
        assert bench(*command) == 2 and f"process {os.getpid()}" in capsys.readouterr().err


def test_what_is_not_installed_says_how_to(command, monkeypatch, capsys, tmp_path):
    from bench.track import trackers

    entry = trackers.Entry("bench.track.trackers.wandb", ("no_such_package",))
    monkeypatch.setitem(trackers.TRACKERS, "wandb", entry)
    command[command.index("recording")] = "wandb"
    assert bench(*command) == 2
    assert "pip install 'learngene-bench[wandb]'" in capsys.readouterr().err and not (tmp_path / "out").exists()
    command[command.index("wandb")] = "tensorbord"
    assert bench(*command) == 2 and "expected one of tensorboard, wandb, mlflow" in capsys.readouterr().err


def test_it_leaves_results_as_they_are(command, tmp_path):
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "r").rglob("*") if path.is_file()}
    assert bench(*command) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "r").rglob("*") if path.is_file()} == files
