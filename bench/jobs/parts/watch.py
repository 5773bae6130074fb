"""Seeing whether a method uses its ancestor."""

from collections.abc import Callable

from torch import nn


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
