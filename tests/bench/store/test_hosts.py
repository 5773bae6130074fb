"""Two machines with one results directory: another host name, other process ids, the directory mounted elsewhere."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store import JobDir
from bench.store.lock import TIMEOUT, Lock, machine
from tests.bench import tiny

# host name and mounts, process ids: what tells machines apart. Needs root.
UNSHARE = ("unshare", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


def elsewhere(results: Path, mounted: Path, command: str) -> subprocess.Popen[str]:
    """Run a shell command on "another machine", where the results are mounted at another place."""
    mounted.mkdir(exist_ok=True)
    script = f"hostname elsewhere && mount --bind {shlex.quote(str(results))} {shlex.quote(str(mounted))} && {command}"
    return subprocess.Popen(
        [*UNSHARE, "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(autouse=True)
def allowed(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare here (Debian: util-linux)")
    (tmp_path / "probe").mkdir()
    probe = elsewhere(tmp_path / "probe", tmp_path / "probed", "hostname")
    if probe.communicate()[0] != "elsewhere\n":
        pytest.skip("no right to pretend another machine (unshare: needs root)")


def test_both_share_the_work(tmp_path: Path, tiny_results: Path) -> None:
    suite, results = tiny.write(tmp_path), tmp_path / "r"
    results.mkdir()
    there = shlex.join([*tiny.FRESH, "run", str(suite), "--jobs", "1", "--results"])
    other = elsewhere(results, tmp_path / "mounted", f"{there} {shlex.quote(str(tmp_path / 'mounted'))}")
    here = tiny.process("run", suite, "--jobs", 1, "--results", results)
    for process in (here, other):
        out, _ = process.communicate(timeout=1800)
        assert process.returncode == 0, out
    assert tiny.numbers(results) == tiny.numbers(tiny_results)
    logs = [log.read_text() for log in results.glob("jobs/*/*/log.jsonl")]
    assert {log.count('"event": "done"') for log in logs} == {1}


HOLD = """
import signal, sys
from pathlib import Path
from bench.store.lock import Lock, machine
lock = Lock(Path(sys.argv[1]))
print(lock.acquire(), machine(), flush=True)
signal.pause()
"""


def test_a_lock_held_elsewhere_is_believed_while_its_heart_beats(tmp_path: Path) -> None:
    """Its process id means nothing here; once it is killed, only the clock tells."""
    job = JobDir(tmp_path / "r" / "job")
    job.path.mkdir(parents=True)
    held = shlex.join([sys.executable, "-c", HOLD, str(tmp_path / "mounted" / "job")])
    other = elsewhere(tmp_path / "r", tmp_path / "mounted", f"exec {held}")
    assert other.stdout is not None
    taken, _, theirs = other.stdout.readline().strip().partition(" ")
    assert taken == "True" and theirs.startswith("elsewhere/") and theirs != machine()
    found = job.lock().holder()
    assert found is not None and found["host"] == "elsewhere" and not Lock(job.path).acquire()
    other.send_signal(signal.SIGKILL)
    other.communicate()
    late = job.lock()
    assert late.holder() is not None and not late.acquire(), "within the time-out it may be alive"
    (lock,) = job.path.glob("lock.*")
    beat = lock.stat().st_mtime - TIMEOUT - 1
    os.utime(lock, (beat, beat))
    assert late.acquire() and late.held()
    late.release()
