"""`bench new method`: writes a method to begin with, and a suite that compares it with two that are known."""

import argparse
import importlib.util
import re
from importlib.resources import files
from pathlib import Path
from string import Template

import methods
from bench.errors import UsageError
from bench.suite.values import RESERVED_NAMES

TEMPLATES = files("bench.commands.new") / "templates"


def main(options: argparse.Namespace) -> int:
    name, folder = options.name, options.out or Path()
    require_free(name)
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; expected one for the two files, see --out")
    cls = "".join(word.capitalize() for word in name.split("_"))
    written = {folder / f"{name}.py": "method.txt", folder / f"{name}.yaml": "suite.txt"}
    for path in written:
        if path.exists():
            raise UsageError(f"{path} is there already; expected another name or --out, or remove it first")
    for path, template in written.items():
        text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(name=name, cls=cls)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    python, suite = written
    print(f"written: {python}, {suite}\n")
    go = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    for command, purpose in {
        f"check {name}:{cls}": "whether it keeps what all methods promise, on small models",
        f"plan {suite.name}": "what the suite would do and cost",
        f"run {suite.name}": "go: four minutes on two CPU cores",
    }.items():
        print(f"  {go}python -m bench {command}".ljust(50) + f" # {purpose}")
    return 0


def require_free(name: str) -> None:
    """Raise UsageError for a name that no module and label can have, or that another one has."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name) or "__" in name:
        raise UsageError(f"{name!r} cannot name a method; expected lower-case letters, digits and single underscores")
    if name in methods.names() or name in RESERVED_NAMES:
        raise UsageError(f"{name!r} is taken (bench methods lists those that there are); expected another name")
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.origin != str(Path(f"{name}.py").absolute()):
        where = f" ({spec.origin})" if spec.origin else ""
        raise UsageError(f"a module named {name!r} is there already{where}, which would hide it; expected another name")
