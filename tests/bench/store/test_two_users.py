"""Two users with a group of their own go on with each other's results; what one may not do is called a permission."""

import os
import traceback
from pathlib import Path

import pytest
import torch

from bench.commands.report import writable
from bench.files import follow_umask, read_json, require_readable, write_json
from bench.jobs.parts.artifacts import save_model
from bench.launch.slurm.submission.snapshot import listing_digest  # noqa: F401  (what children use is imported before)
from bench.store import JobDir, log
from bench.train.session import share_compiled

FIRST, SECOND, GROUP = 54321, 54322, 54320
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, to be two other users")


def as_user(uid, umask, work):
    """Do something as another user of the group, in a forked process; returns what it raised, in words."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        said = b""
        try:
            os.setgroups([])
            os.setgid(GROUP)
            os.setuid(uid)
            os.umask(umask)
            work()
        except BaseException:
            said = traceback.format_exc().encode()
        os.write(writer, said[-4000:])
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def shared(tmp_path):
    """A folder of the group, in which new folders are the group's."""
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and parent != Path("/") and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o111)
    tmp_path.chmod(0o755)
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chown(folder, FIRST, GROUP)
    folder.chmod(0o2775)
    return folder


def do_a_job(folder):
    """Leave what a job leaves, with weights as libraries write them: for the owner alone."""
    path = folder / "weights.safetensors"
    folder.mkdir(parents=True)
    save_model(torch.nn.Linear(2, 2), path)
    path.chmod(0o600)
    follow_umask(path)
    JobDir(folder).append_log("start")
    os.close(JobDir(folder).open_output())
    JobDir(folder).write_result({"top1": 50.0}, ["weights.safetensors"])


def test_the_second_goes_on_where_the_first_stopped(shared):
    folder = shared / "jobs" / "any" / "one"
    assert as_user(FIRST, 0o002, lambda: do_a_job(folder)) == ""
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o664}

    def goes_on():
        done = JobDir(folder)
        assert done.done() and done.damage() is None and done.result()["top1"] == 50.0
        done.append_log("again")
        lock = done.lock()
        assert lock.acquire()
        (folder / "result.json").write_text("{")
        assert done.set_aside(locked=True) is not None
        lock.release()
        do_a_job(folder.with_name("two"))

    assert as_user(SECOND, 0o002, goes_on) == ""
    assert as_user(FIRST, 0o002, lambda: log.append(folder.with_name("two") / "log.jsonl", "mine")) == ""


def test_a_permission_is_called_a_permission(shared):
    folder = shared / "jobs" / "any" / "one"
    assert as_user(FIRST, 0o077, lambda: do_a_job(folder)) == ""
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o755)
    for work in (
        lambda: require_readable(folder / "weights.safetensors"),
        lambda: read_json(folder / "result.json"),
        lambda: JobDir(folder).done(),
        lambda: write_json(folder / "result.json", {}),
        lambda: JobDir(folder).append_log("mine"),
    ):
        said = as_user(SECOND, 0o002, work)
        assert "PermissionError" in said and str(folder) in said and "No such file" not in said
    for work in (lambda: read_json(folder / "result.json"), lambda: JobDir(folder).done()):
        said = as_user(SECOND, 0o002, work)
        assert "who wrote it can share it: chmod -R g+rX" in said


def test_what_is_executed_is_each_users_own(shared):
    def own_cache():
        os.environ.pop("TORCHINDUCTOR_CACHE_DIR", None)
        os.environ["XDG_CACHE_HOME"] = str(shared / "nobody")
        share_compiled(shared)

    assert as_user(FIRST, 0o002, own_cache) == ""
    cache = shared / "cache" / "inductor"
    assert cache.stat().st_uid == FIRST and not cache.stat().st_mode & 0o022

    def not_the_firsts():
        own_cache()
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(shared / "nobody" / "learngene-bench" / "inductor")

    assert as_user(SECOND, 0o002, not_the_firsts) == ""


def test_a_report_beside_the_results_of_another_user_says_where_else(shared):
    folder = shared / "theirs"
    folder.mkdir(mode=0o755)
    assert as_user(FIRST, 0o022, lambda: writable(shared)) == ""
    said = as_user(SECOND, 0o022, lambda: writable(folder))
    assert f"{folder}: no permission to write there; expected --out with a folder of yours" in said
