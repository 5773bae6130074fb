"""The lock of a job: one holder at a time, and none that is dead."""

import errno
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.store import lock as module
from bench.store.lock import Lock, is_lock, process_start
from tests.bench.until import until

CONTENDER = """
import os, sys, time
from pathlib import Path
from bench.store.lock import Lock
folder, log, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
out = os.open(log, os.O_APPEND | os.O_WRONLY | os.O_CREAT)
won = 0
while won < rounds:
    lock = Lock(folder)
    if not lock.acquire():
        time.sleep(0.0005)  # it is about who comes when: they meet at all moments of taking and holding
        continue
    os.write(out, b"+")
    time.sleep(0.001 * (won % 3))
    assert lock.held()
    won += 1
    os.write(out, b"-")
    if rounds == 1:
        os._exit(0)  # dies with the lock
    lock.release()
"""

HOLDER = """
import signal, sys
from pathlib import Path
from bench.store.lock import Lock
lock = Lock(Path(sys.argv[1]))
lock.update(step=3, total=9)
print(lock.acquire(), flush=True)
signal.pause()
"""


def start(code, *arguments):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    started = start(HOLDER, tmp_path)
    assert started.stdout.readline() == "True\n"
    yield started
    started.kill()
    started.communicate()


def locks(folder):
    return sorted(name for name in os.listdir(folder) if is_lock(name))


def write(path, **changes):
    """A lock file as another process would have left it."""
    own = {"pid": os.getpid(), "start": process_start(os.getpid()), "machine": module.machine(), "host": "h"}
    path.write_text(json.dumps(own | {"token": "other"} | changes))


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_take_and_release(tmp_path):
    first, second = Lock(tmp_path / "job"), Lock(tmp_path / "job")
    assert first.holder() is None and first.acquire() and first.held()
    assert not second.acquire() and not second.held()
    assert second.holder()["pid"] == os.getpid()
    first.release()
    assert not first.held() and second.holder() is None and locks(tmp_path / "job") == []
    assert second.acquire() and second.held()
    second.release()
    second.release()
    assert os.listdir(tmp_path / "job") == []


def test_one_winner_among_many(tmp_path):
    """Processes contend; wins are logged by atomic appends, so two at a time would show as '++'."""
    rounds, log = 15, tmp_path / "log"
    started = [start(CONTENDER, tmp_path / "job", log, rounds) for _ in range(5)]
    for process in started:
        process.communicate(timeout=1800)
        assert process.returncode == 0
    assert log.read_text() == "+-" * rounds * len(started)
    assert locks(tmp_path / "job") == []


def test_the_dead_are_succeeded_at_once(holder, tmp_path):
    lock = Lock(tmp_path)
    assert not lock.acquire()
    holder.send_signal(signal.SIGSTOP)  # stopped is not dead
    assert not lock.acquire() and lock.holder()["pid"] == holder.pid
    holder.kill()  # not waited for: a zombie is dead too
    until(lock.acquire)
    assert lock.held() and lock.holder()["pid"] == os.getpid()
    assert locks(tmp_path) == [lock.path.name]
    lock.release()


def test_only_one_succeeds_the_dead(tmp_path):
    """Each takes the lock from one that died with it, while the others try too."""
    started = [start(CONTENDER, tmp_path / "job", tmp_path / "log", 1) for _ in range(8)]
    for process in started:
        process.communicate(timeout=1800)
    assert (tmp_path / "log").read_text() == "+-" * len(started)
    assert len(locks(tmp_path / "job")) == 1 and Lock(tmp_path / "job").holder() is None


def test_what_the_holder_says(holder, tmp_path):
    found = Lock(tmp_path).holder()
    assert found["pid"] == holder.pid and (found["step"], found["total"]) == (3, 9) and found["host"]


def test_the_note_cannot_pass_for_another(tmp_path):
    lock = Lock(tmp_path)
    lock.update(pid=1, token="x", step=1)
    assert lock.acquire() and lock.held() and lock.holder()["pid"] == os.getpid()
    lock.update(long="x" * 3000)
    lock.write_note()
    assert lock.held() and len(lock.holder()["long"]) == 3000
    lock.update(long="")
    lock.write_note()
    assert lock.held() and lock.holder()["step"] == 1
    lock.release()


def test_a_reused_process_id_is_another_process(tmp_path):
    write(tmp_path / "lock.1")
    assert not Lock(tmp_path).acquire()
    write(tmp_path / "lock.1", start="12345")
    lock = Lock(tmp_path)
    assert lock.acquire() and locks(tmp_path) == ["lock.2"]
    lock.release()


def test_another_host_counts_as_dead_after_its_timeout_only(tmp_path):
    path, lock = tmp_path / "lock.4", Lock(tmp_path, timeout=50_000)
    write(path, machine="elsewhere", pid=1)
    age(path, 40_000)
    assert not lock.acquire() and lock.holder()["host"] == "h"
    age(path, 60_000)
    assert lock.holder() is None and lock.acquire() and locks(tmp_path) == ["lock.5"]
    lock.release()


def test_heartbeats_keep_a_lock_alive_for_other_hosts(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BEAT", 0.02)
    lock = Lock(tmp_path)
    assert lock.acquire()
    age(lock.path, 1000)
    until(lambda: time.time() - lock.path.stat().st_mtime < 100)
    lock.release()


@pytest.mark.parametrize("content", ["", "{", '{"pid"', "[]", '{"pid": "one"}', "\0" * 100])
def test_an_unreadable_lock_holds_for_a_while(content, tmp_path):
    path, lock = tmp_path / "lock.1", Lock(tmp_path)
    path.write_text(content)
    assert not lock.acquire()
    age(path, 11 * module.BEAT)
    assert lock.acquire() and lock.held()
    lock.release()


def test_a_stopped_holder_notices_that_it_was_succeeded(tmp_path):
    slow, fast = Lock(tmp_path), Lock(tmp_path)
    assert slow.acquire()
    write(slow.path, token=slow.token, machine="elsewhere")  # as the other host sees it
    age(slow.path, 1000)
    assert fast.acquire() and fast.held() and not slow.held()
    slow.write_note()  # its heart goes on beating, without bringing its lock back
    assert not slow.held() and locks(tmp_path) == [fast.path.name]
    fast.release()
    slow.write_note()
    assert not slow.held() and locks(tmp_path) == []
    slow.release()


def test_a_late_comer_gives_way(tmp_path, monkeypatch):
    """It looked while the lock was dead; until it acted, another had taken and released it, and a third took it."""
    write(tmp_path / "lock.1", pid=2**22 + 1)
    late, third = Lock(tmp_path), Lock(tmp_path)
    create = module._create

    def after_the_others(temporary, mine):
        monkeypatch.setattr(module, "_create", create)
        (tmp_path / "lock.1").unlink()
        assert third.acquire() and third.path.name == "lock.1"
        return create(temporary, mine)

    monkeypatch.setattr(module, "_create", after_the_others)
    assert not late.acquire()
    assert third.held() and locks(tmp_path) == ["lock.1"]
    third.release()


def test_a_late_comer_does_not_take_the_lock_away(tmp_path, monkeypatch):
    """For a moment there is a higher number, whose maker then gives way."""
    lock, late = Lock(tmp_path), tmp_path / "lock.9"
    assert lock.acquire()
    write(late)
    with monkeypatch.context() as patch:
        patch.setattr(module.time, "sleep", lambda seconds: late.unlink())  # while the holder waits to see
        assert lock.held()
    write(late)
    lock.release()
    assert locks(tmp_path) == [late.name], "whoever releases removes what is its own"


def test_a_successor_that_stays_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SETTLE", 0.02)
    lock = Lock(tmp_path)
    assert lock.acquire()
    write(tmp_path / "lock.9")
    assert not lock.held()
    write(tmp_path / "lock.9", start="12345")  # dead
    assert lock.held()
    lock.release()


def test_without_hard_links(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError("no links here")))
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.acquire() and not second.acquire() and first.held()
    first.release()
    assert second.acquire() and second.held()
    second.release()


@pytest.fixture
def no_links(monkeypatch):
    """A file system without hard links."""

    def refused(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", refused)


def test_one_holder_where_there_are_no_hard_links(no_links, tmp_path):
    first, second = Lock(tmp_path), Lock(tmp_path)
    assert first.acquire() and first.held() and not second.acquire()
    first.release()
    assert second.acquire() and second.held()
    second.release()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_without_hard_links_leaves_no_half_lock(no_links, tmp_path, monkeypatch):
    real = Path.open

    def opened(path, mode="r", *arguments, **options):
        return Full(path, mode) if mode == "x" else real(path, mode, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opened)
        with pytest.raises(OSError, match="No space"):
            Lock(tmp_path).acquire()
    assert list(tmp_path.iterdir()) == []


class Full(io.FileIO):
    """A file that is made, and takes no byte."""

    def write(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_heartbeat_writes_to_no_strangers_file(tmp_path):
    """Who may write into the folder could put a link to a file of the holder's in place of the lock."""
    lock = Lock(tmp_path / "job")
    assert lock.acquire()
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("mine")
    lock.path.unlink()
    lock.path.symlink_to(thesis)
    lock.write_note()
    assert thesis.read_text() == "mine" and not lock.held()
    lock.path.unlink()
    os.mkfifo(lock.path)
    lock.write_note()  # waits for no reader
    lock.release()
    assert stat.S_ISFIFO((tmp_path / "job" / "lock.1").stat().st_mode)
