"""What commands say of things that would else go by in silence."""

import os
import shutil
import signal
from functools import partial

import pytest

from tests.bench import tiny
from tests.bench.tiny import SUITE, rows, write

ONE = ("--only", "random-L1-*-s0")
SHORT = SUITE.replace("train: {epochs: 2, batch_size: 216}", "train: {epochs: 0}")


@pytest.fixture
def said(capsys):
    """A function that runs a command and returns what it says."""
    return partial(tiny.said, capsys)


def test_weights_that_were_not_kept(tmp_path, said):
    path, results = write(tmp_path, SHORT), ("--results", tmp_path / "r")
    run, keep = ("run", path, "--launcher", "inline", *ONE, *results), ("--set", "keep_weights=true")
    assert "keep_weights" not in said(*run)
    (folder,) = (tmp_path / "r" / "jobs" / "run").iterdir()
    for text in (said(*run, *keep), said("plan", path, *ONE, *results, *keep)):
        assert "note: keep_weights: 1 of these runs were done without it" in text and str(folder) in text
    shutil.rmtree(folder)
    assert "keep_weights:" not in said(*run, *keep) and (folder / "weights.safetensors").exists()
    assert "keep_weights:" not in said(*run, *keep) and "keep_weights:" not in said(*run)


def test_two_suites_of_one_name(tmp_path, said):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, second = write(tmp_path / "a", SHORT), write(tmp_path / "b", SHORT + "# another one\n")
    results, one = ("--results", tmp_path / "r"), ("--launcher", "inline", *ONE)
    assert "warning" not in said("run", first, *results, *one)
    assert "warning" not in said("run", first, *results, *one), "its own tables may be replaced"
    text = said("run", second, *results, *one)
    assert f"warning: {second}: name: {tmp_path / 'r' / 'tiny'} has the tables of another suite" in text
    assert str(first) in text and "Give one of them another name" in text
    for command in ("status", "report"):
        text = said(command, first, *results)
        assert f"note: tiny: {OTHER}" in text or f"note: {OTHER}" in text
        assert str(second) in text and "has changed since its last run" not in text
    second.unlink()  # it was moved here: no other suite
    assert "another" not in said("status", first, *results)


OTHER = "this describes its last run, which had --only 'random-L1-*-s0'; the last run of this name was of another file"


def test_a_suite_is_known_from_any_folder(tmp_path, said, monkeypatch):
    write(tmp_path, SHORT)
    monkeypatch.chdir(tmp_path)
    said("run", "tiny.yaml", "--launcher", "inline", *ONE)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert "another file" not in said("status", "../tiny.yaml", "--results", "../results")


@pytest.mark.parametrize("command", ["status", "report"])
def test_a_wrong_results_folder(command, tmp_path, said):
    path = write(tmp_path, SHORT)
    nowhere, elsewhere, right = tmp_path / "nowhere", tmp_path / "elsewhere", tmp_path / "r"
    (elsewhere / "jobs" / "run").mkdir(parents=True)
    assert f"note: there is no results folder {nowhere}" in said(command, path, "--results", nowhere)
    assert f"note: the results folder {elsewhere} has no job of tiny" in said(command, path, "--results", elsewhere)
    said("run", path, "--launcher", "inline", *ONE, "--results", right)
    assert "results folder" not in said(command, path, "--results", right)


def test_an_early_interrupt_prints_no_table(tmp_path, said, monkeypatch):
    """Before the first job begins; the files are written all the same."""
    from bench.launch import one_job

    def interrupted(*arguments, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return do(*arguments, **options)

    do = one_job.do
    monkeypatch.setattr(one_job, "do", interrupted)
    path = write(tmp_path)
    text = said("run", path, "--launcher", "inline", *ONE, "--results", tmp_path / "r", code=130)
    assert "no run is done yet: there is no table" in text and "missing" not in text and "Test top-1" not in text
    assert len(rows(tmp_path / "r")) == 1


def test_a_plan_says_no_cost_of_what_trains_nothing(tmp_path, said):
    path, results = write(tmp_path, SHORT), ("--results", tmp_path / "r")
    lines = said("plan", path, *ONE, *results).splitlines()
    costs = {
        line.split()[0]: line.split("   ")[-1].strip() for line in lines if line.startswith(("learngene ", "run "))
    }
    assert costs == {"learngene": "no training", "run": "no training"}
    assert not any("e+00 FLOPs" in line or "all done" in line for line in lines)
    said("run", path, *ONE, *results, "--launcher", "inline")
    text = said("plan", path, *ONE, *results)
    assert "FLOPs" not in text.replace("FLOPs to do", "") and "all done" in text


def test_a_report_of_earlier_results_is_said_until_it_is_made_anew(tmp_path, said):
    suite, results = write(tmp_path, SHORT), ("--results", tmp_path / "r")
    run = ("run", suite, "--launcher", "inline", *results, *ONE)
    note = "the report there is of earlier results"
    assert note not in said(*run)
    said("report", suite, *results, *ONE)
    assert note not in said(*run)
    assert note in said(*run, "--set", "train.warmup_epochs=1")
    assert note in said("verify", tmp_path / "r")
    said("report", suite, *results, *ONE)
    assert note not in said(*run, "--set", "train.warmup_epochs=1") + said("verify", tmp_path / "r")
