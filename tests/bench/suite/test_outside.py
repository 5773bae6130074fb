"""Methods from outside the project: found beside the suite; what is wrong with them is a message."""

import importlib
import itertools

import pytest

from bench.plan import make_plan
from bench.suite import load
from tests.bench.tiny import SUITE, bench, write

CLASS = """
from dataclasses import dataclass
from pathlib import Path
from methods import Initializer, Learngene

@dataclass
class Mine(Initializer):
    {body}
"""
NUMBERS = itertools.count()  # a module is imported once: each test has its own


@pytest.fixture
def suite(tmp_path):
    """A function from a module's source and a method's options to the suite file that uses it."""

    def make(source, options=""):
        name = f"outside_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        return write(tmp_path, SUITE.replace("random: {}", f"mine: {{use: '{name}:Mine'{options}}}"))

    return make


def test_options_are_checked_by_their_annotations(suite):
    body = "scale: float = 0.5\n    sizes: tuple[int, ...] = ()\n    names: dict[str, list[int]] | None = None"
    entry = load(suite(CLASS.format(body=body), ", scale: 2, names: {a: [1]}, ancestor: ancestor")).methods[0]
    assert (entry.initializer.scale, entry.initializer.names) == (2.0, {"a": [1]}) and entry.ancestors == ["ancestor"]


BAD = [
    ("class Mine(:", "", "methods.mine.use", "cannot be imported (SyntaxError"),
    ("raise RuntimeError('no')", "", "methods.mine.use", "cannot be imported (RuntimeError: no)"),
    ("raise SystemExit(3)", "", "methods.mine.use", "cannot be imported (SystemExit: 3)"),
    ("import nothing_like_this", "", "methods.mine.use", "No module named 'nothing_like_this'"),
    ("class Mine: pass", "", "methods.mine.use", "expected a subclass of methods.Initializer"),
    ("Mine = 3", "", "methods.mine.use", "expected a subclass of methods.Initializer"),
    ("Yours = 3", "", "methods.mine.use", "has no 'Mine'"),
    (CLASS.format(body="scale: 'Unknown' = 0.5"), "", "methods.mine", "its options cannot be read (NameError"),
    (CLASS.format(body="scale: object() = 0.5"), "", "methods.mine", "its options cannot be read"),
    ("class Other: pass\n" + CLASS.format(body="scale: Other = 0.5"), "", "methods.mine", "its options cannot be read"),
    (CLASS.format(body="json: int = 1\n    model_config: int = 2"), ", json: x", "methods.mine.json", "found 'x'"),
    (CLASS.format(body="file: Path = Path()"), ", file: x", "methods.mine.file", "expected"),
    (CLASS.format(body="scale: float = 0.5"), ", scale: big", "methods.mine.scale", "expected a number, found 'big'"),
    (CLASS.format(body="scale: float = 0.5"), ", skale: 1", "methods.mine.skale", "did you mean 'scale'?"),
    (CLASS.format(body="scale: float = 0.5"), ", ancestors: 0", "methods.mine.ancestors", "unknown option"),
    (CLASS.format(body="seeds: int = 3"), "", "methods.mine", "its option 'seeds' has the name of a reserved key"),
    (CLASS.format(body="scale: float = 1.0").replace("@", "# "), ", scale: 2", "methods.mine.scale", "no dataclass"),
    (CLASS.format(body="scale: float"), "", "methods.mine", "'scale'"),
    (CLASS.format(body="def __post_init__(self): raise ValueError('bad day')"), "", "methods.mine", "bad day"),
]


@pytest.mark.parametrize(("source", "options", "key", "says"), BAD)
def test_bad_ones(source, options, key, says, suite, capsys, tmp_path):
    path = suite(source, options)
    assert bench("run", path, "--results", tmp_path / "r") == 2
    out, err = capsys.readouterr()
    assert f"{path}:10: {key}: " in err and says in err and "Traceback" not in err
    assert not out and not (tmp_path / "r").exists()


BAD_ANSWERS = [
    ("def supports(self, ancestor, target): return 1 // 0", "supports raised ZeroDivisionError", "(target L1-d16 of"),
    ("def family(self, target): return {target}", "family raised TypeError", "(target L1-d16 of"),
    ("def check(self, ancestor, target): raise ValueError('too deep')", "methods.mine: too deep", "(target L1-d16 of"),
    ("def resolve(self, ancestor, targets): raise ValueError('no common size')", "methods.mine: no common size", ""),
]


@pytest.mark.parametrize(("body", "message", "of"), BAD_ANSWERS)
def test_a_method_that_cannot_answer_is_a_message(suite, capsys, body, message, of):
    assert bench("plan", suite(CLASS.format(body=body))) == 2
    error = capsys.readouterr().err
    assert message in error and of in error and "Traceback" not in error


@pytest.mark.parametrize(("body", "same"), [("sees_targets = True", False), ("x = '.targets'", True), ("pass", True)])
def test_a_learngene_that_may_depend_on_the_targets_is_another_for_others(suite, body, same):
    path = suite(CLASS.format(body=body))
    few, many = (make_plan(load(path, [f"targets.0.depth={depths}"])) for depths in ("[1]", "[1, 3]"))
    learngenes = [{c.learngene for c in plan.cells if c.method.label == "mine"} for plan in (few, many)]
    assert (learngenes[0] == learngenes[1]) is same
