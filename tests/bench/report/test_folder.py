"""The folder of a report: nothing of others' is lost, nothing of an earlier or a killed report stays."""

import os
import shutil
import time
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.files import read_json, temporary
from bench.report import write_report
from bench.report.folder import MANIFEST, is_outdated, publish, staged
from tests.bench import tiny

pytestmark = pytest.mark.usefixtures("few_pictures")

SUITE = """
name: tiny
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: 1}]
methods: {random: {}, longer: {use: random, runs: {lr: 0.002}}}
train: {epochs: 0}
seeds: 2
"""
FOREIGN = ("summary.csv", "cost.csv", "tables.md", "table_mine.tex", "cost_split.pdf", "notes.txt")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    assert tiny.bench("run", tiny.write(folder, SUITE), "--launcher", "inline", "--results", folder / "r") == 0
    return folder / "r"


def test_files_that_no_report_wrote_are_named_and_kept(results, tmp_path, capsys):
    out = tmp_path / "paper"
    out.mkdir()
    for name in FOREIGN:
        (out / name).write_text("mine")
    report = ("report", results.parent / "tiny.yaml", "--results", results, "--out", out)
    assert tiny.bench(*report) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in ("summary.csv", "cost.csv", "tables.md", "--force"))
    assert "table_mine.tex" not in message and "notes.txt" not in message
    assert {path.name: path.read_text() for path in out.iterdir()} == dict.fromkeys(FOREIGN, "mine")
    assert tiny.bench(*report, "--force") == 0
    assert (out / "summary.csv").read_text() != "mine"
    assert (out / "table_mine.tex").read_text() == (out / "notes.txt").read_text() == "mine"
    assert tiny.bench(*report) == 0  # its own files now
    (out / MANIFEST).unlink()
    assert tiny.bench(*report) == 0  # as those of earlier versions, by the page
    (out / MANIFEST).unlink()
    (out / "report.html").write_text("somebody's page")
    assert tiny.bench(*report) == 2
    assert (out / "report.html").read_text() == "somebody's page"


def test_the_suites_own_folder_needs_no_permission(results):
    suite = results.parent / "tiny.yaml"
    (results / "tiny" / "summary.csv").write_text("older")
    assert tiny.bench("report", suite, "--results", results) == 0
    from_csv = ("report", "--from", results / "tiny" / "runs.csv", "--out", results / "tiny")
    assert tiny.bench(*from_csv) == 0


def test_another_programs_manifest_is_kept(tmp_path, staged_files):
    out = tmp_path / "out"
    out.mkdir()
    (out / MANIFEST).write_text('{"coverage": 90}')
    with pytest.raises(UsageError, match=MANIFEST):
        publish(staged_files("a.csv"), out, ours=False)
    assert (out / MANIFEST).read_text() == '{"coverage": 90}' and not (out / "a.csv").exists()


@pytest.fixture
def staged_files(tmp_path):
    """A function: (names) -> files with these names in a folder beside, content 'new'."""

    def make(*names):
        folder = tmp_path / "staged"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in names:
            (folder / name).write_text("new")
        return [folder / name for name in names]

    return make


def test_only_what_the_manifest_names_is_removed(tmp_path, staged_files):
    out = tmp_path / "out"
    out.mkdir()
    publish(staged_files("a.csv", "b.csv"), out, ours=False)
    assert read_json(out / MANIFEST) == {"files": ["a.csv", "b.csv"]}
    (out / "table_cost.md").write_text("mine")
    publish(staged_files("b.csv"), out, ours=False)
    assert {path.name for path in out.iterdir()} == {"b.csv", MANIFEST, "table_cost.md"}


@pytest.mark.parametrize("moves", range(4))
def test_a_report_that_was_stopped_among_its_files_is_made_again(moves, tmp_path, staged_files, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    publish(staged_files("a.csv", "b.csv"), out, ours=False)
    replace, done = os.replace, []

    def full(source, target):
        if len(done) == moves:
            raise OSError(28, "No space left on device")
        done.append(target)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space"):
            publish(staged_files("b.csv", "c.csv"), out, ours=False)
    for path in staged_files("a.csv", "b.csv", "c.csv"):
        path.write_text("newer")
    files = [tmp_path / "staged" / name for name in ("b.csv", "c.csv")]
    publish(files, out, ours=False)
    assert {path.name: path.read_text() for path in out.glob("*.csv")} == {"b.csv": "newer", "c.csv": "newer"}
    assert read_json(out / MANIFEST) == {"files": ["b.csv", "c.csv"]}


def test_a_manifest_names_nothing_outside(tmp_path, staged_files):
    from bench.files import write_json

    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "stranger").write_text("mine")
    (out / ".hidden").write_text("mine")
    write_json(out / MANIFEST, {"files": ["../stranger", str(tmp_path / "stranger"), ".hidden", 3, ["x"], ""]})
    publish(staged_files("a.csv"), out, ours=False)
    assert (tmp_path / "stranger").exists() and (out / ".hidden").exists()


def test_a_folder_or_a_link_of_that_name(tmp_path, staged_files):
    out = tmp_path / "out"
    (out / "a.csv").mkdir(parents=True)
    for ours in (True, False):
        with pytest.raises(UsageError, match=r"a\.csv"):
            publish(staged_files("a.csv", "b.csv"), out, ours=ours)
    assert [path.name for path in out.iterdir()] == ["a.csv"]
    (out / "a.csv").rmdir()
    (tmp_path / "stranger").write_text("mine")
    (out / "a.csv").symlink_to(tmp_path / "stranger")
    with pytest.raises(UsageError, match=r"a\.csv"):
        publish(staged_files("a.csv"), out, ours=False)
    publish(staged_files("a.csv"), out, ours=True)
    assert (tmp_path / "stranger").read_text() == "mine" and (out / "a.csv").read_text() == "new"


def test_what_killed_reports_left_is_cleared(tmp_path):
    old = [tmp_path / ".report.0123abcd.tmp" / "runs.csv", tmp_path / ".runs.csv.99999999.0123abcd.tmp"]
    new = tmp_path / ".report.99999999.ffffffff.tmp" / "runs.csv"  # another report is at it, on another machine
    mine = [tmp_path / ".notes.tmp", tmp_path / ".mine.txt.tmp"]
    for path in (*old, new, *mine):
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    hours_ago = time.time() - 7200
    for path in (*old, *mine, old[0].parent):
        os.utime(path, (hours_ago, hours_ago))
    with staged(tmp_path) as folder:
        assert folder.parent == tmp_path
    assert {path.name for path in tmp_path.iterdir()} == {new.parent.name, ".notes.tmp", ".mine.txt.tmp"}


def test_a_report_that_is_being_written_is_no_killed_one_whatever_the_clock_says(tmp_path):
    """As where the clock has jumped by years since it began."""
    with staged(tmp_path) as first:
        (first / "runs.csv").write_text("")
        beside = temporary(tmp_path / "runs.csv")  # one of its files on the way
        beside.write_text("")
        for path in (first / "runs.csv", beside, first):
            os.utime(path, (1, 1))
        with staged(tmp_path) as second:
            assert second != first
        assert (first / "runs.csv").exists() and beside.exists()


def test_a_report_that_breaks_leaves_the_earlier_one(make_frames, tmp_path, monkeypatch):
    runs, curves = make_frames(methods=("random", "wave"), depths=(2,))
    write_report(runs, curves, tmp_path, title="t")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bench.report.write.page", full)
    with pytest.raises(OSError, match="No space"):
        write_report(runs.iloc[:1], curves, tmp_path, title="t")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_report_that_was_killed_while_it_appeared_is_outdated(tmp_path, staged_files, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    publish(staged_files("runs.csv", "report.html"), out, ours=False)
    assert not is_outdated(out)
    replace = os.replace

    def killed(source, target):
        if Path(target).name == "report.html":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            publish(staged_files("runs.csv", "report.html"), out, ours=False)
    assert is_outdated(out)
    publish(staged_files("runs.csv", "report.html"), out, ours=False)
    assert not is_outdated(out)
