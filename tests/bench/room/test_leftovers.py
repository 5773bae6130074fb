"""`bench clean` removes what costs no training, and neither a result nor what somebody uses."""

import os
import shutil
import subprocess
import time

import pytest

from bench.launch.slurm.submission.groups import make_arrays
from bench.launch.slurm.submission.record import Submission
from bench.room import leftovers as module
from bench.room.leftovers import leftovers, remove, size
from bench.store import Store
from bench.suite.slurm import Slurm
from tests.bench.killed_everywhere import killed_everywhere
from tests.bench.plans import Planner
from tests.bench.tiny import bench


@pytest.fixture
def store(tmp_path):
    """A results folder with a job that is done, one that is not, and all that can be left over."""
    store = Store(tmp_path / "r")
    for id in ("done-s0-1", "open-s0-2"):
        folder = store.job_dir("run", id)
        folder.write_settings({})
        folder.append_log("start")
        for name in ("checkpoint.pt", "weights.safetensors", "weights.safetensors.damaged-20260101-000000-ab"):
            (folder.path / name).write_bytes(b"12345")
    done = store.job_dir("run", "done-s0-1")
    done.write_result({"kind": "run"}, [])
    (done.path / "checkpoint.pt").write_bytes(b"12345")  # as a crash between result and checkpoint leaves it
    (done.path / ".checkpoint.pt.77.abcd0123.tmp").write_bytes(b"123")
    shutil.copytree(done.path, store.kind("run") / "done-s0-1.damaged-20260101-000000-cd")
    for folder in ("cache/inductor/fx", "code/0123456789abcdef/bench"):
        (store.root / folder).mkdir(parents=True)
        (store.root / folder / "file").write_bytes(b"1234567890")
    (store.root / "code" / "fedcba.diff").write_text("which results name")
    old = time.time() - 2 * module.YOUNG
    os.utime(store.root / "code" / "0123456789abcdef", (old, old))
    return store


def names(store):
    return sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())


KEPT = [
    "code/fedcba.diff", "jobs/run/done-s0-1/log.jsonl", "jobs/run/done-s0-1/result.json",
    "jobs/run/done-s0-1/settings.json", "jobs/run/done-s0-1/weights.safetensors", "jobs/run/open-s0-2/checkpoint.pt",
    "jobs/run/open-s0-2/log.jsonl", "jobs/run/open-s0-2/settings.json", "jobs/run/open-s0-2/weights.safetensors",
]  # fmt: skip


def test_it_lists_and_removes_only_when_told_to(store, capsys):
    before = names(store)
    assert bench("clean", "--results", store.root) == 0
    shown = capsys.readouterr().out
    assert names(store) == before and "--yes removes them" in shown
    assert [line.split()[:2] for line in shown.splitlines()[:4]] == [
        ["checkpoints", "2"], ["damaged", "3"], ["code", "1"], ["cache", "1"],
    ]  # fmt: skip
    assert bench("clean", "--results", store.root, "--yes", "--what", "checkpoints") == 0
    assert set(before) - set(names(store)) == {
        "jobs/run/done-s0-1/checkpoint.pt", "jobs/run/done-s0-1/.checkpoint.pt.77.abcd0123.tmp",
    }  # fmt: skip
    assert bench("clean", "--results", store.root, "--yes") == 0
    assert names(store) == KEPT
    assert bench("clean", "--results", store.root, "--yes") == 0 and "nothing to remove" in capsys.readouterr().out
    assert bench("clean", "--results", store.root / "code") == 2


def test_what_somebody_uses_stays(store):
    lock = store.job_dir("run", "done-s0-1").lock()
    free = {leftover.path for leftover in leftovers(store) if not leftover.why_kept}
    assert lock.acquire()
    try:
        why = {leftover.path: leftover.why_kept for leftover in leftovers(store)}
        folder = store.job_dir("run", "done-s0-1").path
        assert why[folder / "checkpoint.pt"] == "its job is being done"
        assert why[store.root / "cache" / "inductor"] == "a job runs in this folder"
        first = next(leftover for leftover in module.leftovers(store) if leftover.path == folder / "checkpoint.pt")
        assert first.path in free and not remove(module.Leftover("checkpoints", first.path, 5)), "locked meanwhile"
        assert first.path.exists()
    finally:
        lock.release()


def test_what_another_user_owns_stays(store, monkeypatch):
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)
    assert {leftover.why_kept for leftover in leftovers(store)} == {f"user {os.getuid()} owns it"}


def test_code_that_a_submission_names_stays_until_its_jobs_are_done(store, tmp_path):
    plan = Planner(tmp_path)(only=["random-L1-*-s0"])
    arrays = make_arrays(plan.jobs, Slurm(), {}, 1000)
    snapshot = store.root / "code" / "0123456789abcdef"
    Submission.new(plan, store, arrays, snapshot, "DIGEST", [])

    def why():
        return {leftover.path: leftover.why_kept for leftover in leftovers(store) if leftover.kind == "code"}

    assert why() == {snapshot: "a submission to Slurm names it"}
    for job in plan.jobs.values():
        store.job(job).write_result({}, [])
    assert why() == {snapshot: ""}
    os.utime(snapshot)
    assert why() == {snapshot: "it is less than a day old"}, "its submission may not be written down yet"


def test_links_are_not_followed(store, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("years of work" * 100)
    shutil.rmtree(store.root / "cache" / "inductor")
    (store.root / "cache" / "inductor").symlink_to(tmp_path / "mine")
    (store.root / "code" / "0123456789abcdef" / "link").symlink_to(tmp_path / "mine")
    (store.kind("run") / "linked.damaged-1").symlink_to(tmp_path / "mine")
    assert size(store.root / "code") < 1000
    assert bench("clean", "--results", store.root, "--yes") == 0
    assert (tmp_path / "mine" / "thesis").exists() and (store.root / "cache" / "inductor").is_symlink()


def test_a_kill_at_any_removal_loses_nothing(store):
    for _ in killed_everywhere(lambda: bench("clean", "--results", store.root, "--yes"), store.root):
        assert set(names(store)) >= set(KEPT)
        assert store.job_dir("run", "done-s0-1").done()
    left = [name for name in names(store) if "lock." not in name]
    assert left == KEPT, "the last one did what those before it left"


@pytest.mark.parametrize(
    "place",
    [
        "jobs/run/done-s0-1.damaged-20260101-000000-cd", "jobs/run/mine.damaged-and-kept", "code/my_plots",
        "cache/old.gone", "jobs/run/done-s0-1/checkpoint.pt.mine", "jobs/run/done-s0-1/notes.damaged-by-me",
        "jobs/run/done-s0-1/weights.damaged-20260101-000000-cd",
    ],
)  # fmt: skip
def test_what_is_somebodys_own_stays(place, store):
    """Only the name resembles one that this project gives, or a file was put beside what was set aside."""
    folder = store.root / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "thesis.tex").write_text("mine")
    for path in (folder / "thesis.tex", folder):
        os.utime(path, (1, 1))
    assert bench("clean", "--results", store.root, "--yes") == 0
    assert (folder / "thesis.tex").read_text() == "mine"


def test_the_size_of_a_folder_of_any_depth(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=descriptor)
        below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    (tmp_path / "file").write_bytes(b"1234567")
    try:
        assert size(tmp_path) == 7
    finally:
        subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # pytest's own removal is recursive
