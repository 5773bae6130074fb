"""A rerun of a finished suite makes nothing again, unless something that its tables are made of has changed."""

import os

import pytest

import bench.commands.run as run
from bench import files
from bench.results import finished
from bench.store import JobDir, Store
from tests.bench.tiny import bench, rows, write


@pytest.fixture
def rerun(tiny_results, tmp_path, monkeypatch, capsys):
    """Reruns a copy of the tiny suite; returns what it prints, and whether it made the tables."""
    results, suite, made = tiny_results, write(tmp_path), []
    frames = run.frames
    monkeypatch.setattr(run, "frames", lambda *given: made.append(1) or frames(*given))

    def again(*more):
        made.clear()
        assert bench("run", suite, "--launcher", "inline", "--results", results, *more) == 0
        out = capsys.readouterr().out
        return [line for line in out.splitlines() if "jobs done in" not in line], bool(made)

    again.results = results
    return again


def test_nothing_is_made_again_and_the_same_is_shown(rerun):
    tables = {name: rerun.results / "tiny" / name for name in finished.TABLES}
    first, made = rerun()  # the files are a copy: their times are others than those that were kept
    assert made and "nothing to do" in first[0]
    before = {name: (path.stat().st_mtime_ns, path.read_bytes()) for name, path in tables.items()}
    assert rerun() == (first, False)
    assert before == {name: (path.stat().st_mtime_ns, path.read_bytes()) for name, path in tables.items()}


def test_what_is_shown_again_sends_nothing_to_the_terminal_but_colours(rerun):
    rerun()
    kept = rerun.results / "tiny" / finished.FILE
    shown = "\x1b[1mbold\x1b[0m \x1b]52;c;b3duZWQ=\x07\n"  # the second would write to the clipboard
    files.write_json(kept, files.read_json(kept) | {"shown": shown})
    lines, made = rerun()
    assert "\x1b[1mbold\x1b[0m \\x1b]52;c;b3duZWQ=\\x07" in lines and not made


def edit_table(results):
    path = results / "tiny" / "runs.csv"
    path.write_bytes(path.read_bytes().replace(b"random", b"rendom", 1))


def edit_table_in_secret(results):
    """As an edit that takes care to leave size and time as they were."""
    path = results / "tiny" / "runs.csv"
    before = path.stat()
    edit_table(results)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_result(results):
    """As an edit that takes care to leave size and time as they were."""
    path = next(iter(sorted((results / "jobs" / "run").glob("*/result.json"))))
    text, before = path.read_text(), path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES = {
    "a table is gone": lambda results: (results / "tiny" / "curves.csv").unlink(),
    "a table is another": edit_table,
    "a table is another, of the same time": edit_table_in_secret,
    "a result was written": edit_result,
    "a log has grown": lambda results: next((results / "jobs/run").glob("*/log.jsonl")).open("a").write("{}\n"),
    "what was kept is cut": lambda results: os.truncate(results / "tiny" / finished.FILE, 40),
    "what was kept is gone": lambda results: (results / "tiny" / finished.FILE).unlink(),
}


def test_what_has_changed_is_seen(rerun, monkeypatch):
    shown, _ = rerun()
    runs = (rerun.results / "tiny" / "runs.csv").read_bytes()
    for what, change in CHANGES.items():
        assert rerun() == (shown, False)
        change(rerun.results)
        assert rerun() == (shown, True), what
        assert (rerun.results / "tiny" / "runs.csv").read_bytes() == runs
    monkeypatch.setattr(finished, "DRAWN_BY", ("torch",))  # stands for other versions
    assert rerun() == (shown, True)
    monkeypatch.setenv("COLUMNS", "50")
    assert rerun()[1]
    assert rerun("--only", "random-*")[1]  # fewer runs: other tables


def test_tables_of_equal_content_are_left_alone(rerun):
    shown, _ = rerun()
    os.utime(rerun.results / "tiny" / "runs.csv")  # as `bench report` leaves it
    assert rerun() == (shown, False)


def test_a_missing_artifact_is_made_again(rerun):
    rerun()
    job = next(row["learngene"] for row in rows(rerun.results) if row["method"] == "sws")  # damaged ones may lie beside
    gene = rerun.results / "jobs" / "learngene" / job / "learngene.safetensors"
    gene.unlink()
    lines, made = rerun()
    assert made and gene.exists() and not lines[0].startswith("nothing to do")


def harmed_by(monkeypatch, harm):
    launch = run.launch

    def launch_and_harm(*given):
        ending = launch(*given)
        harm()
        return ending

    monkeypatch.setattr(run, "launch", launch_and_harm)


def cut_result(folder):
    os.truncate(folder / "result.json", 100)


def lengthen_artifact(folder):
    with next(folder.glob("*.safetensors")).open("ab") as file:
        file.write(b"x")


def remove_result(folder):
    (folder / "result.json").unlink()


@pytest.mark.parametrize(
    ("kind", "harm"), [("run", cut_result), ("learngene", lengthen_artifact), ("run", remove_result)]
)
def test_what_is_damaged_while_a_command_runs_is_never_called_done(tmp_path, monkeypatch, capsys, kind, harm):
    suite, results = write(tmp_path), tmp_path / "results"
    command = ("run", suite, "--launcher", "inline", "--results", results)
    with monkeypatch.context() as patch:
        harmed_by(patch, lambda: harm(sorted((results / "jobs" / kind).iterdir())[0]))
        assert bench(*command) == 1
    out = capsys.readouterr().out
    assert "damaged since it was done" in out and "the same command makes it again" in out
    assert not (results / "tiny" / finished.FILE).exists()
    assert bench(*command) == 0
    assert "nothing to do" not in capsys.readouterr().out
    assert {row["status"] for row in rows(results)} <= {"done", "skipped"}
    assert bench(*command) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_a_result_that_cannot_be_read_any_more_costs_no_other(tmp_path, monkeypatch, capsys):
    suite, results = write(tmp_path), tmp_path / "results"
    damage = JobDir.damage

    def refused(folder, **given):
        if folder.path == chosen[0]:
            raise PermissionError(13, "Permission denied", str(folder.path / "result.json"))
        return damage(folder, **given)

    chosen = []
    harmed_by(monkeypatch, lambda: chosen.append(sorted((results / "jobs" / "run").iterdir())[0]))
    monkeypatch.setattr(JobDir, "damage", lambda folder, **given: (refused if chosen else damage)(folder, **given))
    assert bench("run", suite, "--launcher", "inline", "--results", results) == 1
    out = capsys.readouterr().out
    assert f"damaged since it was done: {chosen[0] / 'result.json'}: Permission denied" in out
    assert "28 jobs done in" in out and {row["status"] for row in rows(results)} <= {"done", "skipped"}
    assert not (results / "tiny" / finished.FILE).exists()


def test_what_was_cleaned_and_is_wanted_elsewhere_is_done(tmp_path, monkeypatch, capsys):
    suite, results = write(tmp_path), tmp_path / "results"
    command = ("run", suite, "--launcher", "inline", "--results", results)
    assert bench(*command) == 0
    assert bench("clean", "--results", results, "--what", "weights", "--what", "learngenes", "--yes") == 0
    store = Store(results)
    made = [store.job_dir(kind, id) for kind in ("ancestor", "learngene") for id in store.ids(kind)]
    cleaned = [folder for folder in made if folder.result().get("cleaned")]
    harmed_by(monkeypatch, lambda: [folder.want() for folder in cleaned])
    capsys.readouterr()
    more = ("--set", "methods.other={use: random, runs: {lr: 0.003}}")  # needs nothing of what was cleaned
    assert bench(*command, *more) == 0
    assert "damaged since" not in capsys.readouterr().out and cleaned
    assert not all(folder.done() for folder in cleaned)
