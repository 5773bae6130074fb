"""What work cost: images seen, FLOPs, seconds, and joules where the device tells."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Cost:
    """Cost of one piece of work. FLOPs count forward, backward and teacher; 1 MAC = 2 FLOPs. Energy is of the whole
    device, whoever shares it."""

    images: int = 0
    flops: int = 0
    seconds: float = 0.0
    eval_seconds: float = 0.0
    energy_joules: float | None = None  # None where the device does not tell

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __add__(self, other: "Cost") -> "Cost":
        mine, theirs = self.as_dict(), other.as_dict()
        return Cost(**{name: mine.get(name, 0) + theirs.get(name, 0) for name in mine | theirs})

    def charge(self, seconds: float, joules: float | None) -> None:
        self.seconds += seconds
        if joules is not None:
            self.energy_joules = (self.energy_joules or 0.0) + joules


def total(costs: dict[str, Cost]) -> Cost:
    return sum(costs.values(), Cost())
