"""`bench merge`, `bench verify` and `bench compare`: results that are brought together are whole, and the same."""

import errno
import gzip
import json
import os
import shutil
from pathlib import Path

import pytest

from bench import files
from bench.results.merge import merge
from bench.results.verify import done_jobs, problem
from bench.store import Store
from tests.bench import tiny

SUITE = """
name: tiny
dataset: digits
targets: [{embed_dim: 16, num_heads: 2, depth: 1}]
methods: {random: {}}
train: {epochs: 0}
keep_weights: true
seeds: 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    suite = tiny.write(folder, SUITE)
    assert tiny.bench("run", suite, "--launcher", "inline", "--results", folder / "results") == 0
    return folder


@pytest.fixture
def results(made, tmp_path):
    shutil.copytree(made / "results", tmp_path / "source")
    return tmp_path / "source"


def whole(root):
    """kind/identity -> result, of a folder in which nothing is wrong."""
    jobs = list(done_jobs(Store(Path(root))))
    assert [problem(*job) for job in jobs] == [""] * len(jobs)
    return {f"{kind}/{id}": folder.result() for kind, id, folder in jobs}


def run_of(root):
    return next(folder for kind, _, folder in done_jobs(Store(root)) if kind == "run")


def test_whole_jobs_are_taken_and_not_done_again(made, results, tmp_path, capsys):
    target = tmp_path / "target"
    assert tiny.bench("merge", results, "--results", target) == 0
    assert "3 jobs taken, 0 were there" in capsys.readouterr().out
    assert whole(target) == whole(results) and sorted(os.listdir(target)) == ["jobs"]
    assert tiny.bench("merge", results, "--results", target) == 0
    assert "0 jobs taken, 3 were there" in capsys.readouterr().out
    assert tiny.bench("run", made / "tiny.yaml", "--launcher", "inline", "--results", target) == 0
    assert "nothing to do: all 3 jobs" in capsys.readouterr().out
    assert tiny.numbers(target) == tiny.numbers(results)


def test_damaged_jobs_are_named_and_left(results, tmp_path, capsys):
    run = run_of(results)
    weights = run.path / "weights.safetensors"
    stat = weights.stat()
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # the time does not tell
    assert tiny.bench("merge", results, "--results", tmp_path / "target") == 1
    said = capsys.readouterr().out
    assert "2 jobs taken" in said and f"not taken, damaged: {weights}: its content does not match its checksum" in said
    assert len(whole(tmp_path / "target")) == 2


def test_other_numbers_stay_and_are_named(results, tmp_path, capsys):
    target = tmp_path / "target"
    shutil.copytree(results, target)
    run = run_of(target)
    result = run.result() | {"top1": 50.0}
    run.write_described(result)
    assert tiny.bench("merge", results, "--results", target) == 0
    assert f"there with other numbers, which stay: run {run.path.name}" in capsys.readouterr().out
    assert run_of(target).result()["top1"] == 50.0


def test_what_the_target_has_begun_is_completed_and_what_it_does_is_left(results, tmp_path):
    target = tmp_path / "target"
    run = Store(target).job_dir("run", run_of(results).path.name)
    run.append_log("start")
    run.checkpoint.write_bytes(b"half")
    lock = run.lock()
    assert lock.acquire()
    busy = merge(Store(results), Store(target))
    assert busy.busy == [f"run {run.path.name}"] and not run.done() and busy.taken == 2
    lock.release()
    assert merge(Store(results), Store(target)).taken == 1
    assert whole(target) == whole(results) and not run.checkpoint.exists()
    (earlier,) = run.path.glob("log.jsonl.earlier-*")
    assert '"start"' in earlier.read_text()


def test_links_lead_nowhere(results, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s")
    run = run_of(results)
    run.log.unlink()
    run.log.symlink_to(secret)
    target = tmp_path / "target"
    merge(Store(results), Store(target))
    assert not (run_of(target).path / "log.jsonl").exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    place = Store(tmp_path / "linked").job_dir("run", run.path.name)
    place.path.parent.mkdir(parents=True)
    place.path.symlink_to(elsewhere)
    assert "is a link" in merge(Store(results), Store(tmp_path / "linked")).broken[0]
    assert os.listdir(elsewhere) == []


@pytest.mark.parametrize("begun", [False, True])
def test_killed_at_any_step_it_loses_nothing(results, tmp_path, begun):
    """A child that ends, without any clean-up, before its n-th change of files; then the same merge again."""
    before, step, ended = whole(results), 0, 1
    while ended:
        step += 1
        target = tmp_path / f"target{step}"
        if begun:
            Store(target).job_dir("run", run_of(results).path.name).append_log("start")
        child = os.fork()
        if child == 0:
            killed_at(step, results, target)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ended in (0, 9)
        there = whole(target)  # whatever counts as done is whole
        assert there.items() <= before.items()
        merged = merge(Store(results), Store(target))
        assert merged.taken + len(there) == 3 and whole(target) == before == whole(results)
    assert step > 10


def killed_at(step, source, target):
    """In the child: merge, and end at once at the n-th call that changes files."""
    steps = iter(range(1, step + 1))

    def counted(function):
        def call(*arguments, **options):
            if next(steps) == step:
                os._exit(9)
            return function(*arguments, **options)

        return call

    try:
        for module, names in (
            (os, ("rename", "replace", "unlink", "link", "utime")),
            (shutil, ("copyfileobj", "rmtree")),
        ):
            for name in names:
                setattr(module, name, counted(getattr(module, name)))
        merge(Store(source), Store(target))
        os._exit(0)
    except BaseException:
        os._exit(1)


def test_what_a_killed_merge_left_is_removed_later(results, tmp_path):
    target = tmp_path / "target"
    old, young = target / ".merge.00000000.tmp", target / f".merge.{os.getpid()}.00000001.tmp"
    for folder in (old, young):
        (folder / "run").mkdir(parents=True)
        os.utime(folder, (1, 1))  # as after a jump of the clock: the process of the younger one lives
    mine = target / ".merge.notes.tmp"
    mine.mkdir()
    os.utime(mine, (1, 1))
    merge(Store(results), Store(target))
    assert sorted(os.listdir(target)) == sorted([mine.name, young.name, "jobs"])


def test_wrong_folders(results, tmp_path, capsys):
    assert tiny.bench("merge", tmp_path, "--results", tmp_path / "target") == 2
    assert "expected a results folder, found no folder jobs/" in capsys.readouterr().err
    assert tiny.bench("merge", results, "--results", results) == 2
    assert "expected another folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert tiny.bench("verify", tmp_path / "empty") == 2
    assert "expected results" in capsys.readouterr().err


def test_verify_finds_nothing_wrong_in_what_was_made(results, capsys):
    assert tiny.bench("verify", results) == 0
    assert "3 done jobs and 1 tables checked: nothing wrong" in capsys.readouterr().out
    assert tiny.bench("verify", results / "tiny") == 0


def change_settings(results):
    path = run_of(results).path / "settings.json"
    settings = json.loads(path.read_text())
    settings["settings"]["seed"] = 7
    path.write_text(json.dumps(settings))


def rename_folder(results):
    path = run_of(results).path
    path.rename(path.with_name(f"{path.name[:-12]}{'0' * 12}"))


def cut_result(results):
    path = run_of(results).path / "result.json"
    path.write_bytes(path.read_bytes()[:-5])


def forge_result(results):
    """Numbers with a checksum of their own, which the table contradicts."""
    run = run_of(results)
    run.write_described(run.result() | {"top1": 99.0})


def in_table(old, new):
    def change(results):
        path = results / "tiny" / "runs.csv"
        text = path.read_text()
        assert old in text
        files.write_bytes(path, text.replace(old, new, 1).encode())

    return change


def pipe_for_table(results):
    """Nobody writes to it: whoever waits for that waits for ever."""
    (results / "other").mkdir()
    os.mkfifo(results / "other" / "runs.csv")


def test_what_was_set_aside_is_no_job(results, capsys):
    run = run_of(results)
    shutil.copytree(run.path, run.path.with_name(f"{run.path.name}.damaged-20260101-000000-abcd"))
    assert tiny.bench("verify", results) == 0
    assert "3 done jobs" in capsys.readouterr().out


def test_a_job_that_may_not_be_read_is_named_and_the_others_are_taken(results, tmp_path, capsys, monkeypatch):
    path, real = run_of(results).path / "log.jsonl", os.open

    def refuse(name, *rest, **options):
        if str(name) == str(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(name))
        return real(name, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert tiny.bench("merge", results, "--results", tmp_path / "target") == 1
    said = capsys.readouterr().out
    assert "2 jobs taken" in said and f"not taken, damaged: {path}: Permission denied" in said
    path = run_of(results).path / "result.json"
    assert tiny.bench("verify", results) == 1
    said = capsys.readouterr().out
    assert f"{path}: no permission to read it" in said and "3 done jobs" in said


def test_copies_follow_the_umask_and_no_link(tmp_path):
    source, secret = tmp_path / "a", tmp_path / "secret"
    secret.write_text("mine")
    source.write_text("shared")
    source.chmod(0o600)
    os.utime(source, ns=(1, 2))
    files.copy(source, tmp_path / "b")
    new = tmp_path / "b"
    assert new.read_text() == "shared" and new.stat().st_mtime_ns == 2
    assert new.stat().st_mode == secret.stat().st_mode
    source.unlink()
    source.symlink_to(secret)  # after somebody has looked
    with pytest.raises(OSError, match="symbolic links"):
        files.copy(source, tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_settings, "its settings are not those that its identity is the hash of"),
        (rename_folder, "its settings are of run"),
        (cut_result, "truncated or not a result"),
        (forge_result, "the job says 99.0"),
        (in_table(",digits,vit,", ",letters,vit,"), "not an identity of a run on letters"),
        (in_table(",top1,", ",topp1,"), "columns are missing: top1"),
        (lambda results: shutil.rmtree(run_of(results).path), "there is no such job"),
        (pipe_for_table, "runs.csv: expected a CSV file in UTF-8, found"),
    ],
)
def test_verify_finds(results, change, words, capsys):
    change(results)
    assert tiny.bench("verify", results) == 1
    said = capsys.readouterr().out
    assert words in said and "problem" in said.splitlines()[-1]


def test_compare_says_what_is_same_other_new_and_gone(results, tmp_path, capsys):
    old = results / "tiny"
    assert tiny.bench("compare", old, old / "runs.csv") == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "random" in line)
    assert [cell.strip() for cell in row.strip("│ ").split("│")] == [
        "random",
        "2",
        "0",
        "0",
        "0",
        "0",
        "0.00 ± 0.00",
        "2",
    ]
    table = tmp_path / "runs.csv"
    header, first, second = (old / "runs.csv").read_text().splitlines()
    names = header.split(",")
    cells = first.split(",")
    cells[names.index("method")] = "other"
    table.write_text("\n".join([header, ",".join(cells)]) + "\n")
    assert tiny.bench("compare", old, table) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("│ random", "│ other"))]
    assert [row.split("│")[2:7] for row in rows] == [
        ["    0 ", "             0 ", "     0 ", "   0 ", "    2 "],
        ["    0 ", "             0 ", "     0 ", "   1 ", "    0 "],
    ]
    assert tiny.bench("compare", old, tmp_path / "no.csv") == 2
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "runs.csv.gz").write_bytes(gzip.compress((old / "runs.csv").read_bytes()))
    assert tiny.bench("compare", old, tmp_path / "packed") == 0
