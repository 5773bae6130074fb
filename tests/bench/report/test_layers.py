"""The report's layers: each module imports only from those below its own, and nothing of bench that computes."""

import ast
from pathlib import Path

import bench.report

ROOT = Path(bench.report.__file__).parent
LAYERS = {
    "columns": 0,
    "format": 0,
    "style": 0,
    "conform": 1,
    "frames": 2,
    "analysis": 3,
    "tables": 4,
    "join": 5,
    "plots": 6,
    "page": 6,
    "drawing": 7,
    "folder": 7,
    "write": 8,
    "entry": 9,
}
TOP = 10  # the face, bench.report itself
OUTSIDE = {"bench.errors", "bench.files", "bench.processes", "bench.collector", "bench.words"}


def imported(code: str) -> set[str]:
    """Modules of the project that code imports; one with a dot before it is named from where the code is."""
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
    return {name for name in names if name.startswith(".") or name.partition(".")[0] in ("bench", "methods")}


def part(module: str) -> str:
    return (module.split(".") + ["", ""])[2]


def test_no_arrow_runs_up_or_between_pictures_and_page():
    arrows = []
    for path in sorted(ROOT.rglob("*.py")):
        own = part("bench.report." + path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."))
        for module in imported(path.read_text()):
            if not module.startswith("bench.report"):
                if module not in OUTSIDE:
                    arrows.append((str(path), module))
            elif part(module) != own and LAYERS.get(part(module), TOP) >= LAYERS.get(own, TOP + 1):
                arrows.append((str(path), module))
    assert arrows == []
    assert len(list(ROOT.rglob("*.py"))) > 30


def test_every_way_to_import_is_seen():
    code = "import os, bench.a as a\ndef f():\n    from bench.b import c\n    from ..d import e\n    import methods\n"
    assert imported(code) == {"bench.a", "bench.b", "..d", "methods"}


def test_faces_define_nothing():
    for face in ROOT.glob("*/__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(face.read_text()).body), face
