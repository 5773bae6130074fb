"""The launchers by name."""

from dataclasses import dataclass
from importlib import import_module

from bench.launch.request import Request


@dataclass(frozen=True)
class Launcher:
    """module: its `launch(request)` returns whether it was interrupted; imported when it is used, for a quick start.

    detaches: whether its jobs go on without it; not_several: why it does not take a number of jobs at once, if so.
    """

    module: str
    detaches: bool = False
    not_several: str = ""


LAUNCHERS = {
    "local": Launcher("bench.launch.local"),
    "inline": Launcher("bench.launch.inline", not_several="inline does one after the other"),
    "slurm": Launcher("bench.launch.slurm", detaches=True, not_several="say slurm.workers in the suite"),
}


def launch(name: str, request: Request) -> bool:
    """Have a launcher of the table do what is asked for. Returns whether it was interrupted."""
    return import_module(LAUNCHERS[name].module).launch(request)
