"""Tests lie as what they test does: each package of bench and methods has its folder here, and no other has tests."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "bench/console/learngene_bench": "installed by itself, beside bench: test_install.py of console does that",
}


def has_code(path: Path) -> bool:
    """Whether a module defines something: an `__init__` may only pass on what others do, or say what lies there."""
    body = ast.parse(path.read_text()).body
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in body)


def packages(root: Path) -> set[str]:
    """Folders of `bench` and `methods` with code in them."""
    modules = (path for top in ("bench", "methods") for path in (root / top).rglob("*.py"))
    return {path.parent.relative_to(root).as_posix() for path in modules if has_code(path)}


def mirrored(root: Path) -> set[str]:
    """The same, as far as they have tests: folders with a file of them."""
    files = (path for top in ("bench", "methods") for path in (root / "tests" / top).rglob("test_*.py"))
    return {path.parent.relative_to(root / "tests").as_posix() for path in files}


def test_each_package_has_its_tests_in_the_folder_of_its_name():
    found, expected = mirrored(ROOT), packages(ROOT)
    assert {"bench", "bench/jobs/parts", "bench/launch/slurm/scripts", "methods/testing"} <= expected
    assert sorted(expected - found - set(ELSEWHERE)) == [], "their tests lie elsewhere, or there are none"
    unknown = {name for name in found if not (ROOT / name / "__init__.py").is_file()}
    assert sorted(unknown) == [], "no such package: whose tests are they?"


def test_a_package_without_a_folder_here_lacks_one_still():
    assert set(ELSEWHERE) <= packages(ROOT) - mirrored(ROOT)


def test_files_that_are_dealt_out_first_are_there():
    """They are named by hand: one that is moved would go to the end without a word."""
    (long,) = re.findall(r"^LONG = (\(.*?^\))$", (ROOT / "tests" / "conftest.py").read_text(), re.M | re.S)
    names = ast.literal_eval(long)
    assert [name for name in names if not (ROOT / "tests" / f"{name}.py").is_file()] == [] != names


def test_what_is_not_mirrored_is_found(tmp_path):
    for name, text in {
        "bench/a/one.py": "def f(): pass", "bench/b/__init__.py": "class C: pass", "bench/c/__init__.py": "X = 1",
        "methods/d/two.py": "async def f(): pass", "tests/bench/a/helper.py": "", "tests/methods/d/test_two.py": "",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert packages(tmp_path) == {"bench/a", "bench/b", "methods/d"} and mirrored(tmp_path) == {"methods/d"}
