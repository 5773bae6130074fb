"""What a method from outside the project consists of: its modules, and the files that it declares.

Modules are found by the import statements of their source, wherever these stand, and by `import_module` of a literal
name; nothing is executed. Those of other installed packages than the method's own, of Python and of this project are
left out: an editable install is not installed.
"""

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from bench.identity import digest

INSTALLED = {"site-packages", "dist-packages"}
OURS = {"bench", "methods"}  # known by version and engine


@dataclass(frozen=True)
class Code:
    """Hashes of a method's modules, and of the files that it says it reads, by name.

    hash: what of it goes into identities; of a method of one module and no files, the start of its sha256.
    """

    modules: dict[str, str]
    files: dict[str, str]
    hash: str

    def local(self) -> dict[str, Any]:
        """What a worker compares with."""
        return {"modules": self.modules, "files": self.files}


def code_of(cls: type, module: str) -> Code:
    """The code behind a class that is taken from `module`. Raises ValueError for a declared file that is not there."""
    path = inspect.getsourcefile(cls)
    module_hash = hash_of(Path(path)) if path else "unknown"
    files_by_name = modules_of([module, cls.__module__], {top_level(module)})
    modules = {name: hash_of(file) for name, file in files_by_name.items()}
    files = files_of(cls)
    if files or modules.keys() - {cls.__module__}:
        return Code(modules, files, digest({"modules": modules | {cls.__module__: module_hash}, "files": files}, 16))
    return Code(modules, files, module_hash)


def files_of(cls: type) -> dict[str, str]:
    """Hashes of the files that a class declares, by what it says; relative ones lie beside its module."""
    declared, path = getattr(cls, "files", ()), inspect.getsourcefile(cls)
    if isinstance(declared, str) or not all(isinstance(name, str) for name in declared):
        raise ValueError(f"{cls.__name__}.files: expected a list of paths as strings, found {declared!r}")
    folder = Path(path).resolve().parent if path else Path()
    for name in declared:
        if not (folder / name).is_file():
            raise ValueError(f"{cls.__name__}.files: {name!r} is no file (relative paths start at {folder})")
    return {name: hash_of(folder / name) for name in sorted(declared)}


def modules_of(names: Iterable[str], packages: Collection[str] = ()) -> dict[str, Path]:
    """Files of all modules from outside that these are, or import, directly or not; empty files are left out.

    packages: see file_of.
    """
    files: dict[str, Path] = {}
    todo, seen = list(names), set[str]()
    while todo:
        name = todo.pop()
        if name in seen or not name:
            continue
        seen.add(name)
        todo.append(name.rpartition(".")[0])
        file = file_of(name, packages)
        if file is None:
            continue
        if file.stat().st_size:
            files[name] = file
        if file.suffix == ".py":
            todo += imports(file, name if file.name == "__init__.py" else name.rpartition(".")[0])
    return dict(sorted(files.items()))


def top_level(module: str) -> str:
    """The package, or module, that a module belongs to."""
    return module.partition(".")[0]


def file_of(name: str, packages: Collection[str] = ()) -> Path | None:
    """The file of a module from outside; None for all others, and for what is no module.

    packages: of the method, which are from outside also where they are installed.
    """
    package = top_level(name)
    if package in OURS | sys.stdlib_module_names:
        return None
    spec = _spec(name)
    file = Path(spec.origin) if spec is not None and spec.origin else None
    if file is None or not file.is_file() or (INSTALLED & set(file.parts) and package not in packages):
        return None
    return file


def imports(file: Path, package: str) -> Iterator[str]:
    """Absolute names of what a file imports; of `from a import b` both `a` and `a.b`, which need be no module."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute("." * node.level + (node.module or ""), package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if base)
        elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__") and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield _absolute(first.value, package)


def hash_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def _called(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def _absolute(name: str, package: str) -> str:
    """Empty for what leads out of the package."""
    try:
        return importlib.util.resolve_name(name, package)
    except ImportError:
        return ""


def _spec(name: str) -> ModuleSpec | None:
    """The spec of a module, imported or not; unlike `importlib.util.find_spec` it does not import the parents."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    parent, _, _ = name.rpartition(".")
    above = _spec(parent) if parent else None
    if parent and (above is None or above.submodule_search_locations is None):
        return None
    path = list(above.submodule_search_locations or ()) if above is not None else None
    specs = (finder.find_spec(name, path, None) for finder in sys.meta_path if hasattr(finder, "find_spec"))
    try:
        return next((spec for spec in specs if spec is not None), None)
    except KeyError:  # a folder without __init__.py in a package that is not imported
        return None
