"""Seeing whether a method uses its ancestor, and whether it is the code that was planned."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn

import methods
from bench.jobs.inputs import MethodInput
from bench.suite.outside import file_of, files_of, hash_of, top_level


def watched(model: nn.Module, used: Callable[[], object]) -> nn.Module:
    """The same model; any look at what it holds or computes calls `used`."""
    plain = type(model)

    def __getattribute__(self: nn.Module, name: str) -> object:
        if not (name.startswith("__") and name.endswith("__") and name != "__dict__"):
            used()
        return plain.__getattribute__(self, name)

    model.__class__ = type(
        plain.__name__, (plain,), {"__getattribute__": __getattribute__, "__module__": plain.__module__}
    )
    return model


@contextmanager
def same_code(method: MethodInput, function: str) -> Iterator[None]:
    """Watch a method from outside while its `function` is called.

    Raises ValueError where modules that it imported first in here, or files that it declares, are not those that its
    identity was planned with. Modules that were imported before are those of the plan, whatever their files say now.
    """
    before = set(sys.modules)
    yield
    if not method.code:
        return
    planned, files = method.code["modules"], method.code["files"]
    packages = {top_level(method.use.partition(":")[0])}
    for name in sorted(sys.modules.keys() - before):
        file = file_of(name, packages)
        if file is None or not file.stat().st_size:
            continue
        if name not in planned:
            way_out = "import it by an import statement, or by import_module of its name as a literal"
            raise ValueError(f"{function} imported {name} ({file}), which is no part of the identity; {way_out}")
        if hash_of(file) != planned[name]:
            raise ValueError(f"{name} ({file}) has changed since this job was planned; run the suite again")
    for name, planned_hash in files.items():
        if files_of(methods.method_class(method.use))[name] != planned_hash:
            raise ValueError(
                f"the file {name} of {method.use} has changed since this job was planned; run the suite again"
            )
