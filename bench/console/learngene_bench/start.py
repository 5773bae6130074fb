"""Where commands and workers begin: the packages that belong together come first, the working directory last.

As a file it runs a module of this project: `python -P FILE MODULE ...`.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder  # nothing else before `settle`: it might be of the user's

OWN = ("bench", "methods")


def root() -> str:
    """The nearest folder above this file that `bench` lies in."""
    folder = os.path.dirname(os.path.abspath(__file__))
    while not os.path.isfile(os.path.join(folder, "bench", "__init__.py")):
        folder = os.path.dirname(folder)
    return folder


class OwnPackages:
    """Finds the packages of this project in its folder, whatever else on the path has their names."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [root()]) if name in OWN else None


def settle() -> None:
    """Let the project's own packages be found first, and what lies in the working directory last; also in children."""
    try:
        here = [os.path.realpath(os.getcwd())]
    except OSError:  # it was removed
        here = []
    sys.path[:] = [entry for entry in sys.path if entry and os.path.realpath(entry) not in here] + here
    sys.meta_path.insert(0, OwnPackages)
    os.environ["PYTHONSAFEPATH"] = "1"  # else Python puts the working directory first in processes that it starts


def main() -> int:
    """Run a command; returns the exit code. What is hidden by something of the user's is an error that names both."""
    settle()
    try:
        from bench.cli import main as command  # late: the path is settled now

        return command()
    except (ImportError, AttributeError) as error:
        if message := hidden(error):
            print(f"error: {message}", file=sys.stderr)
            return 2
        raise


def hidden(error: ImportError | AttributeError) -> str:
    """What hides the module that an error is about from this program, and what to do; empty where nothing does."""
    module = error.name if isinstance(error, ImportError) else getattr(error.obj, "__name__", None)
    name = str(module or "").partition(".")[0]
    specs = [PathFinder.find_spec(name, [entry]) for entry in sys.path] if name else []
    files = list(dict.fromkeys(spec.origin for spec in specs if spec is not None and spec.origin))
    if len(files) < 2:
        return ""
    way_out = f"take {os.path.dirname(files[0])} out of PYTHONPATH, or rename what lies there"
    return f"{files[0]} hides {files[1]}, which this program needs ({error}); {way_out}"


if __name__ == "__main__":
    import runpy

    settle()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
