"""What every initializer has to keep (`checks`), and a stub of the harness to try one without it (`stub`)."""

from methods.testing.checks import (
    PROMISES,
    check_documented,
    check_initializer,
    check_light,
    check_options,
    check_refusal,
    check_size,
    resolved,
    sizes_around,
)
from methods.testing.stub import SPEC, StubLab
from methods.testing.trial import origin, perturbed, same, state

__all__ = [
    "PROMISES",
    "SPEC",
    "StubLab",
    "check_documented",
    "check_initializer",
    "check_light",
    "check_options",
    "check_refusal",
    "check_size",
    "origin",
    "perturbed",
    "resolved",
    "same",
    "sizes_around",
    "state",
]
