"""`bench new method`: what it writes is a method that keeps its promises, beside rows that are known."""

import csv
import sys
from pathlib import Path

import pytest

import methods
from bench.plan import make_plan
from bench.suite import load
from methods.testing import check_documented, check_size, sizes_around
from methods.testing.stub import SPEC
from tests.bench.tiny import bench, rows

REFERENCE = Path(__file__).parents[4] / "results" / "reference" / "digits_variable_depth" / "runs.csv"
TINY = ("--set", "ancestor.train={epochs: 1, batch_size: 256}", "--set", "train.epochs=0")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    sys.modules.pop("new_one", None)


def test_what_is_written_keeps_every_promise_and_runs(here, capsys):
    assert bench("new", "method", "new_one") == 0
    assert "python -m bench check new_one:NewOne" in capsys.readouterr().out
    ancestor = SPEC.replace(depth=6)
    method = methods.get("new_one:NewOne", blocks=3)
    check_documented(type(method))
    served = {name: check_size(method, ancestor, size) is not None for name, size in sizes_around(ancestor).items()}
    assert [name for name, serves in served.items() if serves] == ["equal", "shallower", "deeper"]
    run = ("run", "new_one.yaml", "--launcher", "inline", "--only", "*-L2-*-s0", *TINY)
    assert bench(*run) == 0
    table = {row["method"]: row for row in rows(here / "results", "new_one")}
    assert set(table) == {"random", "weight_selection", "new_one", "new_one_fresh_head"}
    assert {row["status"] for row in table.values()} == {"done"}
    assert table["new_one"]["method_use"] == "new_one:NewOne" and table["new_one"]["head_used"] == "transfer"
    assert table["new_one"]["needs"] == "ancestor" and table["new_one_fresh_head"]["stored_params_head"] == "0"


def test_its_known_rows_are_those_of_the_reference_results(here):
    """Identities of runs that are equal can be joined."""
    assert bench("new", "method", "new_one") == 0
    plan = make_plan(load(here / "new_one.yaml"))
    known = {cell.run for cell in plan.cells if not cell.method.label.startswith("new_one")}
    with REFERENCE.open() as file:
        reference = {row["run"] for row in csv.DictReader(file) if row["method"] in ("random", "weight_selection")}
    assert len(known) == 18 and known == reference


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wave", "'wave' is taken"),
        ("My-Method", "cannot name a method; expected lower-case letters"),
        ("json", "a module named 'json' is there already"),
        ("torch", "which would hide it; expected another name"),
        ("class_", "cannot name a method"),
    ],
)
def test_a_name_that_cannot_be(name, message, here, capsys):
    assert bench("new", "method", name) == 2
    assert message in capsys.readouterr().err and not list(here.iterdir())


def test_what_is_there_stays(here, capsys):
    (here / "new_one.yaml").write_text("mine")
    assert bench("new", "method", "new_one") == 2
    assert "new_one.yaml is there already" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["new_one.yaml"] and (here / "new_one.yaml").read_text() == "mine"
    assert bench("new", "method", "new_one", "--out", here / "nowhere") == 2
    assert "is no folder" in capsys.readouterr().err
    (here / "below").mkdir()
    assert bench("new", "method", "new_one", "--out", "below") == 0
    assert "cd below && python -m bench plan new_one.yaml" in capsys.readouterr().out
