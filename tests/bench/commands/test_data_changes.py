"""Images that change: before a run, while it is going on, and after an earlier version made results of them."""

import json
import shutil

import pytest

from bench.data import fingerprint as module
from bench.results import earlier
from bench.worker import execute
from tests.bench.photo_suites import FROM_ANCESTOR, suite, write_photos
from tests.bench.tiny import bench, rows


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path)


@pytest.fixture
def ran(photos, tmp_path):
    """A suite that was run; returns its file."""
    file = suite(tmp_path, photos, FROM_ANCESTOR)
    assert run(file, tmp_path) == 0
    return file


def run(suite, folder, *words):
    return bench("run", suite, "--launcher", "inline", "--results", folder / "results", *words)


def damage(photos):
    path = photos / "train" / "bee" / "bee_2.JPEG"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    return path


def test_other_images_are_other_jobs(ran, photos, tmp_path, capsys):
    assert rows(tmp_path / "results")[0]["fingerprint"] == "content"
    capsys.readouterr()
    assert run(ran, tmp_path) == 0
    assert "nothing to do: all 3 jobs of tiny are done" in capsys.readouterr().out
    damage(photos)
    assert bench("plan", ran, "--results", tmp_path / "results") == 0
    assert "photos: fingerprint " in capsys.readouterr().out
    assert run(ran, tmp_path, "--set", "dataset.fingerprint=sample") == 0
    assert "3 of 3 jobs to do" in capsys.readouterr().out
    assert rows(tmp_path / "results")[0]["fingerprint"] == "sample"


def test_status_report_and_cancel_read_what_the_run_found(ran, photos, tmp_path, capsys, monkeypatch):
    """Nothing is hashed, and the images need not even be there."""
    monkeypatch.setattr(module, "fingerprint", lambda *_: pytest.fail("hashed"))
    shutil.move(photos, tmp_path / "away")
    for words in (("status",), ("report",), ("status", "--set", "seeds=2")):
        assert bench(words[0], ran, "--results", tmp_path / "results", *words[1:]) == 0
    assert bench("logs", "sws-*", "--results", tmp_path / "results") == 0
    assert "failed" not in capsys.readouterr().err


@pytest.mark.parametrize("when", ["before the job", "during the job"])
def test_images_that_change_while_a_run_is_going_on_fail_it_by_name(when, photos, tmp_path, capsys, monkeypatch):
    plain = execute._take

    def take(job, *arguments):
        if when == "before the job" and job.kind == "run":
            damage(photos)
        return plain(job, *arguments)

    monkeypatch.setattr(execute, "_take", take)
    if when == "during the job":
        from bench.jobs.parts.context import Context

        whole = Context.close
        monkeypatch.setattr(Context, "close", lambda c: (c.job.kind == "run" and damage(photos), whole(c)))
    file = suite(tmp_path, photos, FROM_ANCESTOR)
    assert run(file, tmp_path) == 1
    said = capsys.readouterr().out
    assert "bee_2.JPEG was written to: the images are not those that this job was planned with" in said
    monkeypatch.undo()
    assert run(file, tmp_path) == 0, "it plans anew"


def as_an_earlier_version(ran, results):
    """Rename what was done to what an earlier version called it; returns the old names."""
    from bench.commands.common import last_plan
    from bench.jobs.model import KINDS

    options = type("Options", (), {"results": results, "settings": [], "only": []})
    plan, store, _ = last_plan(ran, options)
    names = earlier.earlier(plan)
    assert len(names) == 3 and {plan.jobs[id].kind for id in names} < set(KINDS)
    for id, old in names.items():
        job = plan.jobs[id]
        shutil.move(store.job(job).path, store.job_dir(job.kind, old).path)
    (results / "tiny" / "data.json").unlink()
    return names


def test_results_of_earlier_versions_are_readable_named_and_not_taken_unless_vouched_for(ran, tmp_path, capsys):
    results = tmp_path / "results"
    names = as_an_earlier_version(ran, results)
    capsys.readouterr()
    assert bench("status", ran, "--results", results) == 0
    assert "whose identities did not contain the images of photos" in capsys.readouterr().out
    assert bench("report", ran, "--results", results) == 0
    before = (results / "tiny" / "runs.csv").read_text()
    assert "whose identities did not contain" in capsys.readouterr().out
    assert bench("plan", ran, "--results", results) == 0
    assert "note: 3 of these jobs were done by an earlier version" in (text := capsys.readouterr().out)
    assert "bench run --vouch-for-data photos" in text
    assert run(ran, tmp_path, "--vouch-for-data", "digits") == 2
    assert "no such data set in this suite (there: photos)" in capsys.readouterr().err
    assert run(ran, tmp_path, "--vouch-for-data", "photos") == 0
    assert "nothing to do" in capsys.readouterr().out
    (row,) = rows(results)
    assert row["fingerprint"] == "vouched" and row["run"] in names and row["top1"] in before
    kept = json.loads((results / "jobs" / "run" / row["run"] / "result.json").read_text())
    assert kept["vouched"] == names[row["run"]] and kept["id"] == row["run"]
    assert run(ran, tmp_path) == 0 and rows(results)[0]["fingerprint"] == "vouched"
