"""Terminals: escape sequences are shown, not sent; what is closed, full or ASCII alone ends no sweep."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bench.errors import printable
from bench.report import ReportError, read_runs
from bench.store import JobDir
from tests.bench.tiny import ONE_RUN, bench, rows, write

ESCAPE = "\x1b]0;owned\x07\x1b[2J"


def test_control_characters_are_shown():
    coloured = "\x1b[1;31ma\x1b[0m"
    assert printable(f"{coloured}{ESCAPE}", colours=True) == f"{coloured}{printable(ESCAPE)}" != printable(coloured)
    assert printable("", colours=True) == "" and printable(coloured).isprintable()
    assert printable(f"a\tb\n{ESCAPE}\r\u009b1m é") == "a\tb\n\\x1b]0;owned\\x07\\x1b[2J\\r\\x9b1m é"


def test_no_command_sends_what_a_file_says(one_run, tmp_path, capsys):
    suite, folder = one_run
    (folder / "result.json").unlink()
    JobDir(folder).fail(f"boom {ESCAPE}", kind="error", traceback=f"Traceback {ESCAPE}")
    (folder / "output.txt").write_text(ESCAPE)
    for command in (("status", suite), ("logs", "*")):
        capsys.readouterr()
        assert bench(*command, "--results", tmp_path / "r") == 0
        said = capsys.readouterr().out
        assert "\x1b" not in said and "\x07" not in said and "\\x1b]0;owned" in said
    JobDir(folder).clear_failure()
    (folder / "lock.1").write_text(json.dumps({"pid": 1, "machine": "x", "host": ESCAPE}))
    assert bench("status", suite, "--results", tmp_path / "r") == 0
    said = capsys.readouterr().out
    assert "running: run" in said and "\x1b" not in said
    assert bench("plan", write(tmp_path, ONE_RUN + f'"{"x"}\\e[2J": 1\n')) == 2
    assert "\x1b" not in capsys.readouterr().err


# Three commands in processes forked from one that has imported what they need, each of which ends as Python does.
SWEEPS = """
import json, os, runpy, sys
from tests.bench import pictures
from tests.chaos.forked import warm_up

warm_up()
pictures.few()
suite, folder = sys.argv[1:]
codes = {}
for out in OUTS:
    pid = os.fork()
    if pid == 0:
        break
    codes[out] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
else:
    print(json.dumps(codes))
    sys.exit()
if out == "closed":  # as Python finds it when it starts
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
    os.close(1)
    os.close(2)
elif out == "full":
    full = os.open("/dev/full", os.O_WRONLY)
else:
    reader, full = os.pipe()
    os.close(reader)
if out != "closed":
    os.dup2(full, 1)
    os.dup2(full, 2)
    os.close(full)
sys.argv[1:] = ["run", suite, "--launcher", "inline", "--results", os.path.join(folder, out)]
runpy.run_module("bench", run_name="__main__", alter_sys=True)
"""
OUTS = ("full", "closed", "a pipe that ends")


def test_a_sweep_goes_on_when_nobody_listens(tmp_path):
    words = [sys.executable, "-c", SWEEPS.replace("OUTS", repr(OUTS)), write(tmp_path, ONE_RUN), tmp_path]
    root = Path(__file__).parents[2]
    done = subprocess.run(words, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(OUTS, 0)
    for out in OUTS:
        assert [row["status"] for row in rows(tmp_path / out)] == ["done"]


def test_a_terminal_that_knows_ascii_alone(tmp_path):
    suite = write(tmp_path, ONE_RUN.replace("random: {}", "'ümlaut': {}"))
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    words = [sys.executable, "-m", "bench", "plan", suite, "--results", tmp_path / "r"]
    done = subprocess.run(words, env=environment, capture_output=True)
    assert done.returncode == 2 and b"\\xfcmlaut" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("loss", "inf", "a finite number, found 'inf'"),
        ("top5", "-Infinity", "a finite number, found '-Infinity'"),
        ("params", "12345678901234567890", "a whole number, found '12345678901234567890'"),
        ("run", "a b", "an identity, without blanks, found 'a b'"),
        ("run", " a", "an identity, without blanks, found ' a'"),
    ],
)
def test_a_table_of_runs_that_says_what_cannot_be(column, value, says, one_run, tmp_path):
    path = tmp_path / "r" / "tiny" / "runs.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[0, column] = value
    table.to_csv(path, index=False)
    with pytest.raises(ReportError, match=rf"row 2.*column {column}: expected {says}"):
        read_runs(path)


def test_a_name_too_long_for_a_folder(tmp_path, capsys):
    assert bench("plan", write(tmp_path, ONE_RUN.replace("name: tiny", f"name: {'x' * 230}"))) == 2
    assert "name: expected at most 100 characters" in capsys.readouterr().err


def test_a_class_name_too_long_for_a_table(tmp_path, capsys):
    use = f"there:{'X' * 230}"
    assert bench("plan", write(tmp_path, ONE_RUN.replace("random: {}", f"random: {{}}, mine: {{use: '{use}'}}"))) == 2
    assert "methods.mine.use: expected at most 200 characters" in capsys.readouterr().err
