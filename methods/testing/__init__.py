"""What every initializer has to keep (`checks`), and a stub of the harness to try one without it (`stub`)."""

from methods.testing.checks import (
    check_documented,
    check_initializer,
    check_light,
    check_refusal,
    check_size,
    origin,
    perturbed,
    same,
    sizes_around,
    state,
)
from methods.testing.stub import StubLab

__all__ = [
    "StubLab",
    "check_documented",
    "check_initializer",
    "check_light",
    "check_refusal",
    "check_size",
    "origin",
    "perturbed",
    "same",
    "sizes_around",
    "state",
]
