"""The report's layers: each module imports only from those below its own, and nothing of bench that computes."""

import ast
from pathlib import Path

import bench.report

ROOT = Path(bench.report.__file__).parent
LAYERS = {
    "columns": 0,
    "format": 0,
    "style": 0,
    "frames": 1,
    "analysis": 2,
    "tables": 3,
    "join": 4,
    "plots": 5,
    "page": 5,
    "drawing": 6,
}
TOP = 7  # write.py and the face, bench.report itself
OUTSIDE = {"bench.errors", "bench.files", "bench.processes", "bench.collector", "bench.words"}


def imported(path: Path) -> set[str]:
    tree = ast.walk(ast.parse(path.read_text()))
    return {
        node.module for node in tree if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("bench")
    }


def part(module: str) -> str:
    return (module.split(".") + ["", ""])[2]


def test_no_arrow_runs_up_or_between_pictures_and_page():
    arrows = []
    for path in sorted(ROOT.rglob("*.py")):
        own = part("bench.report." + path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."))
        for module in imported(path):
            if not module.startswith("bench.report"):
                if module not in OUTSIDE:
                    arrows.append((str(path), module))
            elif part(module) != own and LAYERS.get(part(module), TOP) >= LAYERS.get(own, TOP + 1):
                arrows.append((str(path), module))
    assert arrows == []
    assert len(list(ROOT.rglob("*.py"))) > 30


def test_faces_define_nothing():
    for face in ROOT.glob("*/__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(face.read_text()).body), face
