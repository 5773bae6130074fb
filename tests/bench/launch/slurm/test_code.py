"""What Slurm runs later is what was submitted: the script that Slurm holds says so, and else ends at once."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.files import is_private, make_private
from bench.launch.slurm.scripts.script import _setup as lines_before
from bench.launch.slurm.submission.record import Submission
from bench.launch.slurm.submission.snapshot import listing_digest, snapshot
from bench.store import Store
from tests.bench.plans import Planner


@pytest.fixture
def submission(tmp_path: Path) -> Submission:
    plan, store = Planner(tmp_path)(only=["random-L1-*"]), Store(tmp_path / "re sults")
    code, digest = snapshot(plan, store)
    new = Submission.new(plan, store, [], code, digest, [])
    make_private(new.folder / "logs")
    return new


def started(submission: Submission) -> tuple[int, str]:
    """What the batch script's beginning does: its exit code and what it prints."""
    done = subprocess.run(["bash", "-c", "\n".join(lines_before(submission))], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_code_is_as_it_was_submitted(submission: Submission) -> None:
    assert started(submission) == (0, "")
    assert listing_digest(Path(submission.data["code"])) == submission.data["code_digest"]


def test_folders_of_methods_from_outside_hide_no_library(submission: Submission, tmp_path: Path) -> None:
    """They are imported from last, and so not on PYTHONPATH, which comes before libraries."""
    beside = tmp_path / "their files"
    beside.mkdir()
    (beside / "yaml.py").write_text("raise SystemExit('what lies here was imported')")
    (beside / "my_helper.py").write_text("X = 'found'")
    submission.data["beside"] = [str(beside)]
    work = f"""{sys.executable} -P -c '
import yaml
from bench.launch.slurm import payload
payload.Allocation = lambda work: type("Work", (), {{"work": lambda self: print(__import__("my_helper").X)}})()
payload.ElementWork("x", 0, 0)()'"""
    done = subprocess.run(["bash", "-c", "\n".join([*lines_before(submission), work])], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("found\n", "")
    assert lines_before(submission)[-2] == f"export PYTHONPATH={shlex.quote(submission.data['code'])}"


def planted_module(code: Path) -> None:
    (code / "numpy.py").write_text("raise SystemExit('planted')")


def changed_module(code: Path) -> None:
    with (code / "bench" / "cli.py").open("a") as file:
        file.write("\n")


def planted_bytecode(code: Path) -> None:
    """Python believes a .pyc file that names time and size of its source."""
    (code / "bench" / "__pycache__").mkdir()
    (code / "bench" / "__pycache__" / "cli.cpython-312.pyc").write_bytes(b"")


def planted_link(code: Path) -> None:
    (code / "numpy").symlink_to("/tmp")


@pytest.mark.parametrize("plant", [planted_module, changed_module, planted_bytecode, planted_link])
def test_changed_code_does_not_start_and_is_not_submitted_again(plant, submission: Submission, tmp_path: Path) -> None:
    code = Path(submission.data["code"])
    plant(code)
    status, said = started(submission)
    assert status == 1 and "is not the code that was submitted" in said
    again, digest = snapshot(Planner(tmp_path)(only=["random-L1-*"]), Store(tmp_path / "re sults"))
    assert again != code and digest == submission.data["code_digest"] == listing_digest(again)


def test_pickles_lie_where_nobody_else_writes(submission: Submission) -> None:
    logs = submission.folder / "logs"
    assert is_private(logs) and logs.stat().st_mode & 0o777 == 0o700
    logs.chmod(0o770)
    assert not is_private(logs)
    status, said = started(submission)
    assert status == 1 and "can be written by others" in said
    logs.rename(submission.folder / "elsewhere")
    (submission.folder / "elsewhere").chmod(0o700)
    logs.symlink_to(submission.folder / "elsewhere")
    assert not is_private(logs) and started(submission)[0] == 1


def test_a_snapshot_of_another_user_is_left_to_them(submission: Submission, tmp_path: Path, monkeypatch) -> None:
    first = Path(submission.data["code"])
    first.chmod(0o775)
    own, digest = snapshot(Planner(tmp_path)(only=["random-L1-*"]), Store(tmp_path / "re sults"))
    assert own != first and digest == submission.data["code_digest"]
    assert snapshot(Planner(tmp_path)(only=["random-L1-*"]), Store(tmp_path / "re sults")) == (own, digest)
