"""Logs: whole lines, whoever writes at once and whatever a crash cut; what happened is counted."""

import json
import subprocess
import sys

import pytest

from bench.store import JobDir, log
from bench.store.log import read as read_log


def test_log(tmp_path):
    folder = JobDir(tmp_path / "job")
    assert read_log(folder.log) == [] and not folder.started()
    folder.append_log("start", note="two\nlines \u2028")
    folder.append_log("end", path=tmp_path)
    events = read_log(folder.log)
    assert [e["event"] for e in events] == ["start", "end"] and events[0]["note"] == "two\nlines \u2028"
    assert events[1]["path"] == str(tmp_path) and folder.started()


@pytest.mark.parametrize("kept", [1, 5, -1, -2])
def test_a_cut_line_is_left_out_and_costs_no_other(kept, tmp_path):
    folder = JobDir(tmp_path)
    folder.append_log("first")
    whole = folder.log.read_bytes()
    folder.log.write_bytes(whole + whole[:kept])
    folder.append_log("last")
    names = [e["event"] for e in read_log(folder.log)]
    assert names == (["first", "first", "last"] if kept == -1 else ["first", "last"])


def test_strange_logs(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'[]\n3\n\xff\xfe\n\n{"event": "x"}\n{"event": ')
    assert read_log(path) == [{"event": "x"}]
    assert read_log(tmp_path) == []


def test_lines_of_many_processes_do_not_mix(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bench.store import JobDir\n"
        "for i in range(50): JobDir(Path(sys.argv[1])).append_log('x', who=sys.argv[2], i=i, pad='p' * 5000)"
    )
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(who)]) for who in range(3)]
    for process in started:
        assert process.wait(timeout=1800) == 0
    events = read_log(tmp_path / "log.jsonl")
    assert sorted((e["who"], e["i"]) for e in events) == sorted((str(w), i) for w in range(3) for i in range(50))
    assert all(json.dumps(e).count("p" * 5000) == 1 for e in events)


def test_what_happened_is_counted_since_it_last_began(tmp_path):
    path = tmp_path / "log.jsonl"
    for event in ("start", "start", "failed", "start", "eval", "start"):
        log.append(path, event, kind="died" if event == "failed" else "")
    assert log.count(path, "start") == 4 and log.count(path, "start", since=("failed", "done")) == 2
    assert log.count(path, "failed", kind="died") == 1 and log.count(path, "failed", kind="error") == 0
    times = [event["time"] for event in read_log(path)]
    assert log.count(path, "start", after=times[0]) == 4 and log.count(path, "start", after=times[-1] + 1) == 0
    assert log.count(tmp_path / "no.jsonl", "start") == 0


def test_a_failure_that_cannot_be_written_is_still_told(tmp_path):
    folder = JobDir(tmp_path / "job")
    assert folder.fail("boom", kind="died") == "boom"
    assert folder.failure()["error"] == "boom" and read_log(folder.log)[-1]["event"] == "failed"
    (tmp_path / "file").write_text("")
    assert (
        JobDir(tmp_path / "file").fail("boom", kind="died").startswith("boom (and the failure could not be written: ")
    )
