"""What work cost: images seen, FLOPs, seconds."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Cost:
    """Cost of one piece of work. FLOPs count forward, backward and teacher; 1 MAC = 2 FLOPs."""

    images: int = 0
    flops: int = 0
    seconds: float = 0.0
    eval_seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __add__(self, other: "Cost") -> "Cost":
        mine, theirs = asdict(self), asdict(other)
        return Cost(**{name: mine[name] + theirs[name] for name in mine})


def total(costs: dict[str, Cost]) -> Cost:
    return sum(costs.values(), Cost())
