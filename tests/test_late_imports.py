"""An import inside a function is there for the speed of start-up, or says why in a comment.

Late without a word: what is slow to import, or a module of the project that imports such a one when it is imported
itself. Where the module of the function imports it anyway, the import belongs to its head.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLOW = frozenset(
    [
        "torch",
        "timm",
        "torchvision",
        "numpy",
        "pandas",
        "scipy",
        "sklearn",
        "matplotlib",
        "PIL",
        "rich",
        "jinja2",
        "submitit",
        "datasets",
        "pynvml",
        "psutil",
        "huggingface_hub",
        "safetensors",
        "mlxtend",
        "tensorboard",
        "wandb",
        "mlflow",
    ]
)
Import = ast.Import | ast.ImportFrom
TO_TOOLS = re.compile(r"noqa(: [A-Z\d, ]+)?|type: ignore(\[[a-z, -]+\])?|fmt: \w+")


def modules(root: Path) -> dict[str, Path]:
    paths = [*root.glob("bench/**/*.py"), *root.glob("methods/**/*.py")]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


class Code:
    """The imports of a project's modules."""

    def __init__(self, root: Path) -> None:
        self.paths = modules(root)
        self.heads = {name: list(self.at_head(self.tree(name).body)) for name in self.paths}
        self.slow = cache(self.slow)

    def tree(self, name: str) -> ast.Module:
        return ast.parse(self.paths[name].read_text())

    def named(self, node: Import) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        inside = [f"{node.module}.{alias.name}" for alias in node.names]
        return [node.module or "", *(name for name in inside if name in self.paths)]

    def at_head(self, nodes: list[ast.stmt]) -> Iterator[str]:
        """Names that are imported when the module is."""
        for node in nodes:
            if isinstance(node, Import):
                yield from self.named(node)
            elif isinstance(node, ast.If):
                if "TYPE_CHECKING" not in ast.unparse(node.test):
                    yield from self.at_head(node.body)
                yield from self.at_head(node.orelse)
            elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
                yield from self.at_head(node.body)

    def slow(self, name: str) -> frozenset[str]:
        """Slow packages that come with a module."""
        if name not in self.paths:
            return frozenset({name.partition(".")[0]}) & SLOW
        seen, waiting, slow = set(), [name], set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self.paths:
                packages = [name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)]
                waiting += [*self.heads[name], *packages]
            else:
                slow |= {name.partition(".")[0]} & SLOW
        return frozenset(slow)

    def late(self, name: str) -> Iterator[Import]:
        functions = (n for n in ast.walk(self.tree(name)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
        yield from {n.lineno: n for f in functions for n in ast.walk(f) if isinstance(n, Import)}.values()

    def without_reason(self) -> Iterator[str]:
        for name, path in self.paths.items():
            lines, here = path.read_text().splitlines(), self.slow(name)
            for node in self.late(name):
                slow = frozenset().union(*(self.slow(imported) for imported in self.named(node)))
                if not slow - here and not explained(lines, node.lineno - 1):
                    yield f"{path}:{node.lineno}: {lines[node.lineno - 1].strip()}"


def explained(lines: list[str], at: int) -> bool:
    """Whether an import has a comment, or the block of imports that it stands in begins with one."""
    if says(lines[at]):
        return True
    while at and (not lines[at].strip() or lines[at].lstrip().startswith(("import ", "from "))):
        at -= 1
    return lines[at].lstrip().startswith("#") and says(lines[at])


def says(line: str) -> bool:
    """Whether a line has a comment with words, beside those to tools."""
    return re.search(r"\w", TO_TOOLS.sub("", line.partition("#")[2])) is not None


def test_imports_inside_functions_have_a_reason():
    assert not list(Code(ROOT).without_reason())


@pytest.mark.parametrize(
    ("head", "late", "reason"),
    [
        ("", "import torch", True),
        ("", "from bench.slow import x", True),
        ("", "import json", False),
        ("", "import json  # a circle otherwise", True),
        ("", "# a circle otherwise\n    import json", True),
        ("", "import json  # noqa: F401", False),
        ("", "import json  # type: ignore[import]  # noqa: E402, F401", False),
        ("", "import json  # noqa: F401  a circle otherwise", True),
        ("import torch\n", "from bench.slow import x", False),
    ],
)
def test_what_counts_as_a_reason(tmp_path, head, late, reason):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench/__init__.py").write_text("")
    (tmp_path / "bench/slow.py").write_text("import torch\nx = 1\n")
    (tmp_path / "bench/late.py").write_text(f"{head}def f():\n    {late}\n")
    assert list(Code(tmp_path).without_reason()) == (
        [] if reason else [f"{tmp_path}/bench/late.py:{3 if head else 2}: {late}"]
    )
