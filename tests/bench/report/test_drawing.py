"""Pictures drawn several at once: the same as one after the other, and trouble in a forked process is the report's."""

import errno
import os
import signal
import sys
import threading

import pytest

from bench.errors import BenchError
from bench.report import drawing, write_report

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pictures are drawn one after the other there")


@pytest.fixture
def report(make_frames, tmp_path, monkeypatch):
    """Write a report, drawn by a pool of two, into a folder of this name."""
    monkeypatch.setattr(drawing, "cores", lambda: 2)
    monkeypatch.setattr(drawing, "_may_fork", lambda: True)
    runs, curves = make_frames(methods=("random", "sws", "wave"), depths=(2, 4))
    return lambda name: write_report(runs, curves, tmp_path / name, title="t")


def test_in_forked_processes_and_here_they_are_the_same(report, tmp_path, monkeypatch):
    log = tmp_path / "pids"
    real = drawing.save

    def save(*given):
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return real(*given)

    monkeypatch.setattr(drawing, "save", save)
    forked = report("forked")
    pids = set(log.read_text().split())
    assert 1 <= len(pids) <= 2 and str(os.getpid()) not in pids
    log.unlink()
    monkeypatch.setattr(drawing, "_may_fork", lambda: False)
    alone = report("alone")
    assert set(log.read_text().split()) == {str(os.getpid())}
    assert [path.name for path in forked] == [path.name for path in alone]
    assert [a.name for a, b in zip(forked, alone, strict=True) if a.read_bytes() != b.read_bytes()] == []


def test_nothing_is_forked_beside_another_thread(monkeypatch):
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert drawing._may_fork()
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert not drawing._may_fork()


def test_a_full_disk_is_told_as_such(report, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(drawing, "save", full)
    with pytest.raises(OSError, match="No space left") as caught:
        report("out")
    assert caught.value.errno == errno.ENOSPC
    assert list((tmp_path / "out").iterdir()) == []


def test_a_killed_process_ends_the_report_and_leaves_nothing(report, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "save", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(BenchError, match="a process that drew pictures was killed"):
        report("out")
    assert list((tmp_path / "out").iterdir()) == []
