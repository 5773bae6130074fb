"""Modules can be read in one go, and `__init__` files are faces: what they hand out is written elsewhere."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 250  # lines
LONG = {
    "bench/train/fit.py": "the one training loop, from the first step to the last",
    "bench/store/job_dir.py": "the one module that names a job's files",
    "bench/suite/schema.py": "the suite, described once",
    "bench/data/settings.py": "what a suite may say of data, for every source",
    "methods/wave.py": "a method is one file, with its fidelity card",
}
LATE = {"bench/data/__init__.py": "hands out what brings torch with it when it is asked for"}


def modules() -> dict[str, str]:
    """Path from the root -> text."""
    paths = (path for top in ("bench", "methods") for path in sorted((ROOT / top).rglob("*.py")))
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}


def is_face(text: str) -> bool:
    """Whether a module has no more than docstrings, imports, and constants in capitals or dunders."""
    names = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            names += [target.id if isinstance(target, ast.Name) else "" for target in node.targets]
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif not isinstance(node, ast.Expr | ast.Import | ast.ImportFrom):
            return False
    return all(name.isupper() or name.startswith("__") for name in names)


def test_a_long_module_has_a_reason():
    assert {name for name, text in modules().items() if len(text.splitlines()) > MOST} == set(LONG)


def test_faces_hold_no_code():
    faces = {name: text for name, text in modules().items() if name.endswith("/__init__.py")}
    assert {name for name, text in faces.items() if not is_face(text)} == set(LATE)


def test_what_is_no_face_is_found():
    assert is_face('"""D."""\nfrom a import b\n__all__ = ["b"]\nENGINE = 2\n')
    assert not any(map(is_face, ["def f(): pass", "class C: pass", "x = 1", "A.b = 1", "for i in (): pass"]))
