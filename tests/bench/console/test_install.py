"""A wheel in an environment inside somebody else's repository, and the package of docs/your_method.md beside it."""

import csv
import html
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import bench as bench_package
from bench.commands.check import contract
from bench.plan import make_plan
from bench.report.plots import every
from bench.suite import load
from methods.registry import entries
from tests.bench.tiny import SUITE, bench

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "your_method.md").read_text()
FILES = re.findall(r"<!-- file: (.*?) -->\n```\w+\n(.*?)```", PAGE, re.S)
PLANTED = "raise SystemExit('what lies here was imported')"
MINE = """
from dataclasses import dataclass
from methods.random import Random
@dataclass
class Mine(Random):
    pass
"""


def ran(*command: object, code: int = 0, **options) -> str:
    """What a command prints; it ends with the exit code."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


class Environment:
    """A virtual environment with wheels of this project and of the page's package. Other libraries are this one's."""

    def __init__(self, root: Path) -> None:
        self.repository, self.packages = root / "repository", root / "packages"
        self.repository.mkdir()
        (self.repository / "theirs.txt").write_text("theirs")
        for words in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"],
        ):
            ran("git", *words, cwd=self.repository)
        project = self.packages / "learngene-bench"
        for name in ("bench", "methods"):
            copytree(PROJECT / name, project / name, ignore=ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            (project / name).write_bytes((PROJECT / name).read_bytes())
        for name, text in FILES:
            (self.packages / name).parent.mkdir(parents=True, exist_ok=True)
            (self.packages / name).write_text(text)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        folder, alone = self.repository / "env", ["--no-deps", "--no-index", "-q"]
        sources = [project, self.packages / "learngene-halved"]
        ran(*pip, "wheel", *alone, "--no-build-isolation", "-w", root / "wheels", *sources)
        ran(sys.executable, "-m", "venv", "--without-pip", folder)
        self.python, self.script = folder / "bin" / "python", folder / "bin" / "learngene-bench"
        ran(*pip, "--python", self.python, "install", *alone, "--no-compile", *(root / "wheels").iterdir())
        (self.site,) = folder.glob("lib/python*/site-packages")
        (self.site / "libraries.pth").write_text("\n".join({sysconfig.get_path(n) for n in ("purelib", "platlib")}))
        self.variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.variables |= {"OMP_NUM_THREADS": "1"}  # the first command compiles what all of them import
        self.variables.pop("PYTHONDONTWRITEBYTECODE", None)

    def command(self, *arguments: object, cwd: Path, code: int = 0, **variables: str) -> str:
        return ran(self.script, *arguments, cwd=cwd, code=code, env=self.variables | variables)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    return Environment(tmp_path_factory.mktemp("install"))


@pytest.fixture
def hostile(environment, tmp_path):
    """A folder inside the repository with files of the names that this project, and what it needs, have."""
    folder = environment.repository / tmp_path.name
    for name in ("bench", "methods", "pandas"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(PLANTED)
    for name in ("yaml", "random", "torch", "typing_extensions"):
        (folder / f"{name}.py").write_text(PLANTED)
    (folder / "my_module.py").write_text(MINE)
    return folder


def test_from_a_folder_full_of_other_things_with_the_right_version(environment, hostile):
    (labels,) = re.findall(r"methods:\n(.*)train: \{epochs: 2", SUITE, re.S)
    suite = environment.repository / "tiny.yaml"
    suite.write_text(SUITE.replace(labels, "  random: {}\n  mine: {use: 'my_module:Mine'}\n  halved: {}\n"))
    assert environment.command("--version", cwd=hostile) == f"learngene-bench {bench_package.__version__}\n"
    only = ("--only", "*-L1-*-s0", "--set", "train.epochs=0", "--jobs", 1)
    environment.command("run", suite, *only, cwd=hostile)  # workers are processes of their own
    with (hostile / "results" / "tiny" / "runs.csv").open() as file:
        table = {row["method"]: row for row in csv.DictReader(file)}
    assert {row["status"] for row in table.values()} == {"done"}
    assert {row["git_sha"] for row in table.values()} == {f"version {bench_package.__version__}"}
    uses = {name: row["method_use"] for name, row in table.items()}
    assert uses == {"random": "random", "mine": "my_module:Mine", "halved": "learngene_halved:Halved"}


def test_python_m_bench_where_it_is_reached(environment, hostile):
    for path in (hostile / "bench", hostile / "random.py", hostile / "typing_extensions.py"):
        path.rename(path.with_name(f"not_{path.name}"))  # Python would take them before anything of this project runs
    suite = environment.packages / "halved.yaml"
    out = ran(environment.python, "-m", "bench", "plan", suite, cwd=hostile, env=environment.variables)
    assert out.startswith("halved: 36 runs, ")


@pytest.mark.parametrize("first", ["", "hostile:", ":"])
def test_pythonpath_with_this_projects_names(first, environment, hostile):
    """An empty entry is the working directory."""
    variables = {"PYTHONPATH": first.replace("hostile", str(hostile))}
    for path in (*hostile.glob("*.py"), hostile / "pandas"):
        path.rename(path.with_name(f"not_{path.name}"))
    assert "depth_map" in environment.command("methods", cwd=hostile, **variables)
    assert "depth_map" in environment.command("methods", cwd=environment.repository, **variables)


def test_what_hides_a_library_is_named(environment, hostile):
    planted = hostile / "yaml.py"
    planted.write_text("X = 1")
    for name in ("random", "typing_extensions"):
        (hostile / f"{name}.py").unlink()
    out = environment.command("schema", cwd=environment.repository, code=2, PYTHONPATH=str(hostile))
    assert out.startswith(f"error: {planted} hides ") and "yaml/__init__.py, which this program needs" in out
    assert f"take {hostile} out of PYTHONPATH" in out and "Traceback" not in out


def test_the_way_of_the_page(environment, monkeypatch, capsys):
    """A package that pip installed is found by its name, checked, run, joined with the committed table, and shown on a
    page that says which rows are the user's. Its commands, in this process: that the installed script runs is tested
    above. Of the runs one of each: `random`, the anchor, and two of the package; no other method is run."""
    (block,) = re.findall(r"<!-- commands: package -->\n```\n(.*?)```", PAGE, re.S)
    block = block.replace("REPOSITORY", str(PROJECT))
    install, *commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert install == ["pip", "install", "./learngene-halved"]
    assert {command.pop(0) for command in commands} == {"learngene-bench"}
    assert [command[0] for command in commands] == ["methods", "check", "run", "report"]
    monkeypatch.chdir(environment.packages)
    monkeypatch.setattr(sys, "path", [*sys.path, str(environment.site)])
    monkeypatch.setattr(every, "PICTURES", {})  # that they are drawn is tested elsewhere, as are more sizes
    monkeypatch.setattr(contract, "sizes_around", lambda ancestor: {"shallower": ancestor.replace(depth=2)})
    short = ["--launcher", "inline"]
    for label in ("random", "halved", "quartered"):
        short += ["--only", f"{label}-L2-*-s0"]
    entries.cache_clear()
    try:
        for command in commands:
            assert ("learngene_halved" in sys.modules) == (command[0] in ("run", "report")), "imported when it is used"
            assert bench(*command, *(short if command[0] == "run" else [])) == 0, command
        plan = make_plan(load(environment.packages / "halved.yaml"))
    finally:
        entries.cache_clear()
        sys.modules.pop("learngene_halved", None)
    out = capsys.readouterr().out
    assert "\nhalved             of the package learngene-halved 0.1: learngene_halved:Halved\n" in out
    assert "12 promises kept, 0 broken" in out and "advice" not in out
    table = rows_of(environment.packages / "page")
    committed = {row["run"]: row for row in rows_of(PROJECT / "results" / "reference" / "digits_variable_depth")}
    theirs = [row for row in table if row["source"] == "digits_variable_depth"]
    own = {row["method"]: row for row in table if row["source"] == "halved (own)"}
    anchors = {cell.run for cell in plan.cells if cell.method.label in ("random", "weight_selection")}
    assert len(anchors) == 18 and anchors <= set(committed), "that is how they are known to be the same"
    assert set(own) in ({"random", "halved", "quartered"}, {"random@halved", "halved", "quartered"})
    assert own.get("random", own.get("random@halved"))["run"].partition("@")[0] in committed
    assert ("shown once" if "random" in own else "the same identity have other numbers") in out
    assert len(theirs) in (len(committed) - 1, len(committed)), "equal runs are shown once"
    for row in theirs:
        assert row["top1"] == committed[row["run"].partition("@")[0]]["top1"]
    assert {own[label]["method_use"] for label in ("halved", "quartered")} == {"learngene_halved:Halved"}
    assert {row["status"] for row in own.values()} == {"done"}
    assert not (environment.packages / "results" / "jobs" / "ancestor").exists(), "nothing of another method is run"
    page = html.unescape((environment.packages / "page" / "report.html").read_text())
    assert "Your own rows (halved): " in page and "learngene_halved:Halved" in page
    assert "Joined from a table, not run by you (digits_variable_depth)" in page


def rows_of(folder):
    with (folder / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))
