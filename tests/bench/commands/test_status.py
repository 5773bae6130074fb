"""`bench status` as a user reads it, of what runs and of the last run, whose suite is kept."""

import json

import pytest

from bench.commands.clean import amount
from bench.store import JobDir
from bench.suite.yaml_lines import parse
from tests.bench.tiny import SUITE, bench, row_of, said, write


def states(text, kind):
    """How many jobs of a kind `status` counts: all, and in each state that there are any in."""
    numbers = dict(zip(row_of(text, "all"), row_of(text, kind)[1:], strict=True))
    return {name: int(number) for name, number in numbers.items() if number != "-"}


def test_status_of_what_is_done(tiny_results, tmp_path, capsys):
    text = said(capsys, "status", write(tmp_path), "--results", tiny_results)
    assert states(text, "run") == {"all": 20, "done": 18, "skipped": 2}
    assert states(text, "ancestor") == {"all": 1, "done": 1} and "failed:" not in text


def test_status_ends_with_the_size_of_its_jobs(tiny_results, tmp_path, capsys):
    text = said(capsys, "status", write(tmp_path), "--results", tiny_results)
    size = sum(path.stat().st_size for path in (tiny_results / "jobs").rglob("*") if path.is_file())
    last = f"size: {amount(size)} in the folders of these jobs; bench clean tells what can go"
    assert text.splitlines()[-1] == last


def test_status_of_what_runs(tiny_results, tmp_path, capsys):
    """By the lock that this process holds: where it is, and its loss, once that is known."""
    (path,) = tiny_results.glob("jobs/run/random-L1-d16-digits-s0-*/result.json")
    path.unlink()
    lock = JobDir(path.parent).lock()
    assert lock.acquire()
    for note, ends in (
        ({"fit": "run", "step": 3, "total": 32, "loss": None}, "step 3 of 32"),
        ({"fit": "run", "step": 16, "total": 32, "loss": 2.123456}, "step 16 of 32, training loss 2.123"),
    ):
        lock.update(**note)
        lock.write_note()
        (line,) = (
            line
            for line in said(capsys, "status", write(tmp_path), "--results", tiny_results).splitlines()
            if line.startswith("running: ")
        )
        assert line.startswith(f"running: run {path.parent.name} on ") and line.endswith(f"), {ends}")
    lock.release()


@pytest.fixture
def ran(tmp_path, capsys):
    """A suite that was run with changes, on two of its runs."""
    path = write(tmp_path)
    changes = ("--set", "train.epochs=0", "--set", "methods.tab={use: random, scheme: jax}")
    only = ("--only", "random-L1-*", "--only", "tab-L1-*-s0")
    assert bench("run", path, *changes, *only, "--launcher", "inline", "--results", tmp_path / "r") == 0
    capsys.readouterr()
    return path


def test_status_describes_the_last_run(ran, capsys):
    text = said(capsys, "status", ran, "--results", ran.parent / "r")
    changes = "--set train.epochs=0 --set 'methods.tab={use: random, scheme: jax}'"
    only = "--only 'random-L1-*' --only 'tab-L1-*-s0'"
    assert text.startswith(f"note: this describes its last run, which had {changes} {only}\ntiny: 3 runs, 5 jobs")
    assert states(text, "run") == {"all": 3, "done": 3}
    given = said(capsys, "status", ran, "--set", "train.epochs=0", "--results", ran.parent / "r")
    assert given.startswith("tiny: 20 runs") and states(given, "run")["all"] == 20 and states(given, "run")["done"] == 2
    fewer = said(capsys, "status", ran, "--only", "tab-*", "--results", ran.parent / "r")
    assert (
        fewer.startswith(f"note: this describes its last run, which had {changes}\ntiny: 4 runs")
        and states(fewer, "run")["done"] == 1
    )
    itself = said(capsys, "status", ran.parent / "r" / "tiny" / "suite.yaml", "--results", ran.parent / "r")
    assert itself == text


def test_status_says_that_the_suite_has_changed(ran, capsys):
    ran.write_text(SUITE.replace("random: {}", "randon: {}"))  # not even valid
    text = said(capsys, "status", ran, "--results", ran.parent / "r")
    kept = ran.parent / "r" / "tiny" / "suite.yaml"
    assert text.startswith(f"note: {ran} has changed since its last run; this describes the last run ({kept})\n")
    assert states(text, "run") == {"all": 3, "done": 3}
    assert "unknown method 'randon'" in said(capsys, "plan", ran, "--results", ran.parent / "r", code=2)


@pytest.mark.parametrize(
    "first", ["", "# mine", "# kept by bench run: {", "# kept by bench run: []", '# kept by bench run: {"set": []}']
)
def test_a_kept_suite_that_was_changed(first, ran, capsys):
    kept = ran.parent / "r" / "tiny" / "suite.yaml"
    kept.write_text(first + "\n" + SUITE)
    text = said(capsys, "status", ran, "--results", ran.parent / "r", code=2)
    assert text.startswith(f"error: {kept}:1: ") and "run the suite again" in text


def test_the_kept_suite_is_the_resolved_one(ran):
    lines = (ran.parent / "r" / "tiny" / "suite.yaml").read_text().splitlines()
    header = json.loads(lines[0].removeprefix("# kept by bench run: "))
    assert header["set"][0] == "train.epochs=0" and header["only"] == ["random-L1-*", "tab-L1-*-s0"]
    data, _ = parse("\n".join(lines), "f")
    assert data["train"] == {"epochs": 0, "batch_size": 216} and data["methods"]["tab"] == {
        "use": "random",
        "scheme": "jax",
    }
