"""What the packages import is what the project declares."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).parents[3]
OPTIONAL = {
    "hf",
    "tensorboard",
    "wandb",
    "mlflow",
}  # imported where a user asks for it, with a message that says what to install


def imported():
    """Top-level names of all modules from elsewhere that a file of the packages imports."""
    for path in (*PROJECT.glob("bench/**/*.py"), *PROJECT.glob("methods/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wishes = [*project["dependencies"], *(w for e in OPTIONAL for w in project["optional-dependencies"][e])]
    declared = {plain(re.match(r"[\w.-]+", wish)[0]) for wish in wishes}
    names = set(imported()) - sys.stdlib_module_names - {"bench", "methods", "learngene_bench"}
    owners = packages_distributions()
    needed = {plain(owners.get(name, [name])[0]) for name in names}
    assert needed - declared == set(), "imported and not declared"
    assert declared - needed == set(), "declared and not imported"
