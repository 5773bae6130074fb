"""The two options of methods that distil an auxiliary network: how much of the teacher, and how soft."""

from __future__ import annotations

from typing import Any, Protocol


class Distilling(Protocol):
    """An initializer with the options `alpha` and `temperature`."""

    alpha: float
    temperature: float
    train: dict[str, Any]


def check_distillation(initializer: Distilling) -> None:
    """Raise ValueError for impossible values, and for a recipe that says by itself how to distil."""
    if not 0 <= initializer.alpha <= 1:
        raise ValueError(f"alpha must be between 0 and 1, found {initializer.alpha}")
    if initializer.temperature <= 0:
        raise ValueError(f"temperature must be above 0, found {initializer.temperature}")
    if "distill" in initializer.train:
        raise ValueError("train.distill is derived: set alpha and temperature instead")


def distilling(initializer: Distilling) -> dict[str, Any]:
    """The recipe of the auxiliary network: alpha * temperature^2 * KL(teacher || auxiliary) + (1 - alpha) * CE."""
    alpha, temperature = initializer.alpha, initializer.temperature
    return {**initializer.train, "distill": {"kl": alpha, "ce": 1 - alpha, "temperature": temperature}}
