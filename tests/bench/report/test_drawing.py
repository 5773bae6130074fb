"""Pictures drawn several at once: the same as one after the other, and trouble in a forked process is the report's."""

import errno
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import active_children
from types import SimpleNamespace

import pytest

from bench.errors import BenchError
from bench.report import drawing, write_curves, write_report, write_runs

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


def test_nothing_is_forked_beside_another_thread_or_by_what_may_have_no_children(monkeypatch):
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    assert drawing._may_fork()
    monkeypatch.setattr(drawing, "current_process", lambda: SimpleNamespace(daemon=True))
    assert not drawing._may_fork()
    monkeypatch.undo()
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert not drawing._may_fork()


def test_a_command_forks(make_frames, tmp_path):
    """As a user starts it, where this process may use several cores."""
    runs, curves = make_frames(methods=("random", "sws"), depths=(2,))
    write_runs(runs, tmp_path / "runs.csv")
    write_curves(curves, tmp_path / "curves.csv")
    code = (
        "import bench.cli; from bench.report import drawing; from tests.bench import pictures; pictures.few()\n"
        "real = drawing._forked; drawing.cores = lambda: 2\n"
        "drawing._forked = lambda *a: print('forked') or real(*a)\n"
        f"raise SystemExit(bench.cli.main(['report', '--from', {str(tmp_path / 'runs.csv')!r}, '--out', 'out']))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "forked" in done.stdout and (tmp_path / "out" / "accuracy_vs_size.svg").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSYS, "no semaphores"), NotImplementedError(), ImportError()])
def test_where_the_system_has_no_pools_they_are_drawn_here(few_pictures, report, monkeypatch, error):
    def none(*_):
        raise error

    monkeypatch.setattr(drawing, "ProcessPoolExecutor", none)
    assert any(path.suffix == ".svg" for path in report("out"))


def test_a_full_disk_is_told_as_such(few_pictures, report, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(drawing, "save", full)
    with pytest.raises(OSError, match="No space left") as caught:
        report("out")
    assert caught.value.errno == errno.ENOSPC
    assert list((tmp_path / "out").iterdir()) == [] and not active_children()


def test_ctrl_c_waits_for_no_picture(few_pictures, report, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "save", lambda *_: signal.pause())  # it would take for ever
    monkeypatch.setattr("bench.report.write.sentences", interrupt)  # while pictures are drawn
    with pytest.raises(KeyboardInterrupt):
        report("out")
    assert list((tmp_path / "out").iterdir()) == [] and not active_children()


def interrupt(*_):
    raise KeyboardInterrupt


def test_a_killed_process_ends_the_report_and_leaves_nothing(few_pictures, report, tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "save", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(BenchError, match="a process that drew pictures ended"):
        report("out")
    assert list((tmp_path / "out").iterdir()) == [] and not active_children()
