"""`bench clean --what weights --what learngenes`: files that no kept suite needs; their jobs stay done, and are made
again, equal, where a job needs them."""

import json
import os
import shutil

import pytest

from bench.commands import clean
from bench.launch.launchers import launch
from bench.launch.progress import Progress
from bench.launch.request import Request
from bench.launch.schedule import Schedule
from bench.launch.slurm.submission.groups import make_arrays
from bench.launch.slurm.submission.record import Submission
from bench.plan import make_plan
from bench.room import leftovers as module
from bench.room.leftovers import artifacts
from bench.store import JobDir, Store
from bench.suite import load
from bench.suite.slurm import Slurm
from tests.bench.killed_everywhere import killed_everywhere
from tests.bench.tiny import bench, said

pytestmark = pytest.mark.usefixtures("few_pictures")

SUITE = """
name: NAME
dataset: digits
ancestor:
  model: {embed_dim: 16, depth: 2, num_heads: 2, patch_size: 4}
  train: {epochs: 1, batch_size: 256}
targets: [{embed_dim: 16, num_heads: 2, depth: 1}]
methods:
  sws: {stages: 1, train: {epochs: 1}}
train: {epochs: 1, batch_size: 256}
seeds: SEEDS
keep_weights: end
"""
BOTH = ["--what", "weights", "--what", "learngenes"]


def suite(folder, name="first", seeds="[0]"):
    path = folder / f"{name}.yaml"
    path.write_text(SUITE.replace("NAME", name).replace("SEEDS", seeds))
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A suite of an ancestor, a learngene and a run, which is done."""
    folder = tmp_path_factory.mktemp("cleaned")
    assert bench("run", suite(folder), "--launcher", "inline", "--results", folder / "r") == 0
    return folder / "r"


@pytest.fixture
def results(done, tmp_path):
    shutil.copytree(done, tmp_path / "r")
    return tmp_path / "r"


def weights(results):
    return {path.relative_to(results): path.read_bytes() for path in results.glob("jobs/*/*/*.safetensors")}


def result_of(path):
    """A result without what a copy of an equal file changes."""
    result = json.loads(path.read_text())
    for facts in result["artifacts"].values():
        facts.pop("mtime_ns")
    return {key: value for key, value in result.items() if key != "sha256"}


def test_cleaned_then_run_again_then_needed_again(results, tmp_path, capsys):
    first, second, place = suite(tmp_path), suite(tmp_path, "second", "[0, 1]"), ["--results", results]
    before, table = weights(results), (results / "first" / "runs.csv").read_bytes()
    numbers = {path: result_of(path) for path in results.glob("jobs/*/*/result.json")}
    shown = said(capsys, "clean", *place, *BOTH)
    assert [line.split()[:2] for line in shown.splitlines()[:2]] == [["weights", "2"], ["learngenes", "1"]]
    assert shown.count("FLOPs") == 2 and weights(results) == before
    assert "weights" not in said(capsys, "clean", *place).split(), "not unasked"
    said(capsys, "clean", *place, *BOTH, "--yes")
    assert not weights(results) and "nothing to remove" in said(capsys, "clean", *place, *BOTH)

    assert "nothing wrong" in said(capsys, "verify", results)
    assert "cleaned: 2 done jobs" in said(capsys, "status", first, *place)
    ran = said(capsys, "run", first, "--launcher", "inline", *place)
    assert "nothing to do" in ran and "removed the weights of 1 of these runs" in ran
    assert (results / "first" / "runs.csv").read_bytes() == table and not weights(results)
    for run, what in (("sws-digits", "learngene"), ("L2-d16", "ancestor"), ("sws-L1", "end")):
        text = said(capsys, "export", run, "--what", what, "--out", tmp_path / "x", *place, code=1)
        assert "bench clean removed its" in text and not (tmp_path / "x").exists()

    assert said(capsys, "plan", second, *place).count("is made again: bench clean removed its files") == 2
    ran = said(capsys, "run", second, "--launcher", "inline", *place)
    assert ran.count("is made again: bench clean removed its files") == 2 and "3 jobs done in" in ran
    after = weights(results)
    shared = {path for path in before if path.parts[1] != "run"}
    assert len(shared) == 2 and {path: after[path] for path in shared} == {path: before[path] for path in shared}
    assert "nothing wrong" in said(capsys, "verify", results)
    for path, result in numbers.items():
        if path.parts[-3] != "run":
            assert result_of(path) == result, "as if nothing had happened"
    assert bench("report", first, *place) == 0 and (results / "first" / "runs.csv").read_bytes() == table


def test_what_a_suite_that_is_not_done_needs_stays(results, capsys):
    (run,) = results.glob("jobs/run/*")
    shutil.rmtree(run)
    why = {left.path.parent.parent.name: left.why_kept for left in artifacts(Store(results), ["weights", "learngenes"])}
    assert why == {"learngene": "suite first is not done", "ancestor": ""}
    assert "stay: suite first is not done" in said(capsys, "clean", "--results", results, *BOTH, "--yes")
    assert [path.parts[1] for path in weights(results)] == ["learngene"]


def test_a_suite_that_cannot_be_read_keeps_all_but_what_only_runs_have(results):
    kept = results / "first" / "suite.yaml"
    kept.write_text(kept.read_text().replace("sws:", "theirs:").replace("stages: 1", "use: theirs:Sws"))
    why = {left.path.parent.parent.name: left.why_kept for left in artifacts(Store(results), ["weights", "learngenes"])}
    assert "what suite first needs is not known" in why["ancestor"] and why["ancestor"] == why["learngene"]
    assert why["run"] == ""


def test_what_a_suite_names_as_a_file_stays(results, tmp_path):
    (learngene,) = results.glob("jobs/learngene/*/*.safetensors")
    path = suite(tmp_path, "reader")
    path.write_text(path.read_text().replace("train: {epochs: 1}}", f"learngene: {learngene}}}"))
    assert bench("run", path, "--launcher", "inline", "--results", results) == 0
    why = {left.path: left.why_kept for left in artifacts(Store(results), ["learngenes"])}
    assert why[learngene] == "suite reader reads it as a file" and len(why) == 2


def test_what_waits_in_slurm_keeps_what_it_needs(results, tmp_path):
    plan, store = make_plan(load(suite(tmp_path, "second", "[0, 1]"))), Store(results)
    Submission.new(plan, store, make_arrays(plan.jobs, Slurm(), {}, 1000), tmp_path, "DIGEST", [])
    (left,) = artifacts(store, ["learngenes"])
    assert left.why_kept == "a submission to Slurm is not done"


def test_what_somebody_uses_or_another_user_owns_stays(results, monkeypatch):
    store = Store(results)
    (id,) = store.ids("learngene")
    lock = store.job_dir("learngene", id).lock()
    assert lock.acquire()
    try:
        kept = {left.path.parent.parent.name: left.why_kept for left in artifacts(store, ["weights", "learngenes"])}
        assert kept == {
            "learngene": "its job is being done",
            "ancestor": "a job that is being done needs it",
            "run": "",
        }
        learngene = next(left for left in artifacts(store, ["learngenes"]))
        assert not module.remove(module.Leftover("learngenes", learngene.path, 5)), "locked meanwhile"
    finally:
        lock.release()
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)
    assert {left.why_kept for left in artifacts(store, ["weights"])} == {f"user {os.getuid()} owns it"}


def test_what_a_job_that_cannot_be_read_takes_stays(results):
    """Between its lock and its settings, or of a user who lets nobody read them."""
    store = Store(results)
    (id,) = store.ids("run")
    folder = store.job_dir("run", id)
    (folder.path / "settings.json").unlink()
    (results / "first" / "suite.yaml").unlink()
    lock = folder.lock()
    assert lock.acquire()
    try:
        kept = {left.path.parent.parent.name: left.why_kept for left in artifacts(store, ["weights", "learngenes"])}
    finally:
        lock.release()
    unknown = f"what run {id} needs, which is being done, is not known"
    assert kept == {"ancestor": unknown, "learngene": unknown, "run": "its job is being done"}


def test_a_result_that_may_not_be_read_hinders_no_other(results, monkeypatch):
    real = JobDir.result

    def result(job):
        if job.path.parent.name == "ancestor":
            raise PermissionError(13, "Permission denied", str(job.path / "result.json"))
        return real(job)

    monkeypatch.setattr(JobDir, "result", result)
    found = artifacts(Store(results), ["weights", "learngenes"])
    assert [left.path.parent.parent.name for left in found] == ["run", "learngene"]


def test_a_kill_at_any_removal_loses_nothing(results, capsys):
    numbers = {path: json.loads(path.read_text())["cost"] for path in results.glob("jobs/*/*/result.json")}
    for _ in killed_everywhere(lambda: bench("clean", "--results", results, *BOTH, "--yes"), results):
        assert {path: json.loads(path.read_text())["cost"] for path in numbers} == numbers
        assert all(JobDir(path.parent).done() and JobDir(path.parent).damage() is None for path in numbers)
    assert not weights(results)


def test_a_kill_while_it_is_made_again_loses_nothing(results):
    (path,) = results.glob("jobs/learngene/*")
    folder, content = JobDir(path), (path / "learngene.safetensors").read_bytes()
    before = folder.result()
    folder.clean(["learngene.safetensors"])
    new = {key: value for key, value in before.items() if key != "artifacts"} | {"restarts": 77}

    def again():
        if folder.want():
            (path / "learngene.safetensors").write_bytes(content)
            folder.write_result(new, ["learngene.safetensors"])

    for _ in killed_everywhere(again, path):
        assert folder.result()["cost"] == before["cost"], "the result of before stays until then"
    assert folder.done() and folder.damage(thorough=True) is None and not folder.want()
    assert folder.result()["restarts"] == before["restarts"] and "cleaned" not in folder.result()


def test_what_is_made_again_otherwise_is_named(results):
    (path,) = results.glob("jobs/learngene/*")
    folder = JobDir(path)
    before = folder.result()
    folder.clean(["learngene.safetensors"])
    assert folder.done() and folder.want() and not folder.done()
    (path / "learngene.safetensors").write_bytes(b"of another kind of device")
    new = {key: value for key, value in before.items() if key != "artifacts"} | {"restarts": 77}
    folder.write_result(new, ["learngene.safetensors"])
    assert folder.done() and folder.result()["replaced"] == before["artifacts"] and folder.result()["restarts"] == 77
    assert "is not what bench clean had removed" in folder.log.read_text()


def test_cleaned_while_a_launcher_was_about_to_use_it(results, tmp_path):
    """The worker that misses the file has it made again."""
    plan, store = make_plan(load(suite(tmp_path, "second", "[0, 1]"))), Store(results)
    schedule = Schedule(plan.jobs.values(), store)
    (id,) = store.ids("learngene")
    store.job_dir("learngene", id).clean(["learngene.safetensors"])
    with Progress(plan, schedule, live=False) as progress:
        assert not launch("inline", Request(plan, schedule, progress))
    assert schedule.counts["done"] == len(plan.jobs) and store.job_dir("learngene", id).result()["artifacts"]


def test_the_price_of_several_files_of_a_job_is_that_of_the_job(tmp_path):
    files = [module.Leftover("weights", tmp_path / "job" / name, 5, "", 60.0, 1e9) for name in ("a", "b")]
    assert clean.cost_of(files) == "1.0e+09 FLOPs, 60 s where they were made"
