"""What a method from outside consists of: modules that it imports, files that it reads, targets that it looks at."""

import importlib
import sys
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.launch.slurm.submission.snapshot import code_files
from bench.suite.outside import imports, modules_of
from tests.bench.plans import Planner, ids
from tests.bench.tiny import SUITE, bench, rows, write

METHOD = """
{top}
from dataclasses import dataclass
from pathlib import Path
from methods import Initializer, Learngene

@dataclass
class Mine(Initializer):
    ancestors = 0
    trains = False
    {body}
    def condense(self, ancestor, lab):
        {condense}
        return Learngene(tensors={{}}, meta={{}})
    def initialize(self, target, learngene, lab):
        {initialize}
"""
ONLY = ("--only", "mine-L1-*-s0", "--launcher", "inline")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a method `mine:Mine`; calling it writes modules and files there and forgets what was imported."""
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def forget():
        for name in sys.modules.keys() - before:
            if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
                del sys.modules[name]
        importlib.invalidate_caches()

    def make(top="", body="pass", condense="pass", initialize="pass", **files):
        text = METHOD.format(top=top, body=body, condense=condense, initialize=initialize)
        for name, content in {"mine": text, **files}.items():
            path = tmp_path / (name if "." in name else f"{name.replace('/', '__')}.py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(content))
        forget()
        return write(tmp_path, SUITE.replace("random: {}", "mine: {use: 'mine:Mine'}"))

    yield make
    forget()


def identities(path):
    mine = Planner(path.parent)(text=path.read_text())
    return {id for id in ids(mine) if id.startswith("Mine-")}


TOPS = [
    "import helper",
    "from helper import X",
    "def f(): import helper",
    "import between",
    "from between import *",
    "import importlib; importlib.import_module('helper')",
]


@pytest.mark.parametrize("top", TOPS)
def test_an_edited_helper_is_another_method(top, project):
    before, same, after = (
        identities(project(top, between="from helper import X", helper=text))
        for text in ("X = 1.0", "X = 1.0", "X = 2.0")
    )
    assert before and before == same and not before & after


def test_an_edited_helper_gives_other_numbers(project, tmp_path):
    """Not those of before: the run is done again."""
    results = ("--results", tmp_path / "r")
    scale = "[p.data.mul_(helper.X) for p in target.parameters()]"
    found = []
    for x in (1.0, 0.0):
        assert bench("run", project("import helper", initialize=scale, helper=f"X = {x}"), *results, *ONLY) == 0
        (row,) = rows(tmp_path / "r")
        found.append((row["run"], row["top1_init"]))
    assert found[0][0] != found[1][0] and found[0][1] != found[1][1]


def test_without_a_helper_the_identity_is_that_of_its_file(project, tmp_path):
    """What is installed, of Python or of this project is no helper, nor is a file with nothing in it."""
    import hashlib

    from bench.suite import load

    path = project("import json, numpy, methods.sws, empty", empty="", unused="X = 1")
    method = load(path).methods[0]
    assert method.identity()["source"] == hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()[:16]
    assert list(method.code.modules) == ["mine"]


def test_modules_of_packages(project, tmp_path, monkeypatch):
    package = tmp_path / "pack" / "inner"
    package.mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("X = 1")
    (package / "__init__.py").write_text("from . import one")
    (package / "one.py").write_text("from ..two import Y\nfrom .... import nothing")
    (tmp_path / "pack" / "two.py").write_text("Y = 1")
    (tmp_path / "pack" / "three.py").write_text("not python")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(modules_of(["pack.inner"])) == ["pack", "pack.inner", "pack.inner.one", "pack.two"]
    assert "pack" not in sys.modules, "nothing is executed"
    assert list(modules_of(["pack.three", "nowhere", "json", "torch", "methods"])) == ["pack", "pack.three"]


def test_the_modules_of_a_methods_own_package_count_where_it_is_installed_too(tmp_path, monkeypatch):
    """Those of other installed packages do not."""
    site = tmp_path / "site-packages"
    for package in ("mine", "theirs"):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").write_text("import theirs.tool, mine.helper")
        (site / package / "helper.py").write_text("X = 1")
        (site / package / "tool.py").write_text("X = 1")
    monkeypatch.syspath_prepend(str(site))
    assert list(modules_of(["mine"], {"mine"})) == ["mine", "mine.helper"]
    assert list(modules_of(["mine"])) == []


NAMES = st.lists(st.sampled_from(["a", "bb", "_c", "d1"]), min_size=1, max_size=3).map(".".join)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_imports_are_found_wherever_they_stand(tmp_path_factory, names):
    lines = [
        f"import {names[0]}",
        *(f"def f{i}():\n    if f{i}:\n        from {n} import x" for i, n in enumerate(names)),
    ]
    file = tmp_path_factory.mktemp("m") / "m.py"
    file.write_text("\n".join(lines))
    assert set(imports(file, "")) == {*names, *(f"{name}.x" for name in names)}


def failure(path, results, capsys):
    """The failure of the first job that fails."""
    capsys.readouterr()
    assert bench("run", path, "--results", results, *ONLY) == 1
    return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("failed: "))


@pytest.mark.parametrize("where", ["condense", "initialize"])
def test_a_module_that_nobody_could_know_fails_the_job_by_name(where, project, tmp_path, capsys):
    path = project("import importlib", **{where: "importlib.import_module('hel' + 'per')"}, helper="X = 1")
    message = failure(path, tmp_path / "r", capsys)
    assert f"{where} imported helper ({tmp_path / 'helper.py'}), which is no part of the identity" in message


def test_a_module_that_changed_after_the_plan_fails_the_job_by_name(project, tmp_path, capsys):
    """Imported first in condense, after it was edited there."""
    edit = "Path(__file__).with_name('helper.py').write_text('X = 2'); import helper"
    message = failure(project(condense=edit, helper="X = 1"), tmp_path / "r", capsys)
    assert f"helper ({tmp_path / 'helper.py'}) has changed since this job was planned" in message


def test_declared_files_are_part_of_the_identity(project, tmp_path, capsys):
    declared = {
        "body": "files = ['table.txt', 'helper.py']",
        "condense": "Path(__file__).with_name('table.txt').read_text()",
    }
    kinds = [identities(project(**declared, helper="", **{"table.txt": text})) for text in ("1", "1", "2")]
    assert kinds[0] == kinds[1] and not kinds[0] & kinds[2]
    edit = declared | {"initialize": "Path(__file__).with_name('table.txt').write_text('3')"}
    message = failure(project(**edit, **{"table.txt": "1"}), tmp_path / "r", capsys)
    assert "the file table.txt of mine:Mine has changed since this job was planned" in message


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("['nowhere.txt']", "Mine.files: 'nowhere.txt' is no file"),
        ("'table.txt'", "Mine.files: expected a list of paths"),
    ],
)
def test_files_that_are_not_there(declared, says, project, capsys):
    assert bench("plan", project(body=f"files = {declared}")) == 2
    assert says in capsys.readouterr().err


READERS = {
    "itself": {"condense": "lab.targets"},
    "another way": {"condense": "getattr(lab, 'tar' + 'gets')"},
    "a helper": {"top": "import helper", "condense": "helper.look(lab)", "helper": "def look(lab): return lab.targets"},
    "one of ours, on its behalf": {
        "top": "from methods.wave import Wave",
        "condense": "return Wave(templates=2, template_size=8).condense(lab.teacher(), lab)",
        "body": "ancestors = 1; trains = True",
    },
}


@pytest.mark.parametrize("reader", READERS)
def test_targets_that_are_looked_at_are_part_of_the_identity(reader, project, tmp_path, capsys):
    """Whoever reads them: seen, not read off the source."""
    message = failure(project(**READERS[reader]), tmp_path / "r", capsys)
    assert "learngene Mine" in message and "condense read lab.targets" in message and "sees_targets = True" in message


def test_targets_may_be_looked_at_where_the_class_says_so(project, tmp_path):
    path = project(condense="assert len(lab.targets) == 2", body="sees_targets = True")
    assert bench("run", path, "--results", tmp_path / "r", *ONLY) == 0
    assert not learngenes(path) & learngenes(path, "targets.0.depth=[1]")


def learngenes(path, *settings):
    plan = Planner(path.parent)(*settings, text=path.read_text())
    return {id for id in ids(plan, "learngene") if id.startswith("Mine-")}


def test_a_subclass_of_a_method_here_says_what_that_says(project, tmp_path):
    """Wave reads them, and names by `resolve` what it takes."""
    text = """
        from dataclasses import dataclass
        from methods.wave import Wave

        @dataclass
        class Mine(Wave):
            pass
    """
    path = project()
    (tmp_path / "mine.py").write_text(dedent(text))
    path.write_text(
        path.read_text().replace("'mine:Mine'", "'mine:Mine', templates: 2, template_size: 8, scaler_steps: 1")
    )
    assert bench("run", path, "--results", tmp_path / "r", *ONLY) == 0


def test_a_snapshot_for_slurm_has_the_declared_files(project, tmp_path):
    path = project(body="files = ['tables/one.txt']", **{"tables/one.txt": "1"})
    found = code_files(Planner(tmp_path)(text=path.read_text()))
    assert found["tables/one.txt"].read_text() == "1" and found["mine.py"] == tmp_path / "mine.py"
