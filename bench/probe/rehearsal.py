"""What a job is given when it is timed: random images, random ancestors, a lab that cuts trainings short."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from bench.data import Dataset
from bench.jobs.parts.context import Context
from bench.probe import clock
from bench.probe.lab import ProbeLab
from bench.recipes.recipe import Recipe
from methods import Learngene


@dataclass
class Rehearsal(Context):
    """A Context in which `rehearse` of a job is timed."""

    random_data: Dataset
    random_ancestor: Callable[[str], nn.Module]
    condensed: Callable[[str], Learngene]  # by the rehearsal of the learngene's job
    labs: list[ProbeLab] = field(default_factory=list)
    outside: float = 0.0  # seconds that a method's function took beside its trainings

    @property
    def seconds(self) -> float:
        """What the job would take, without data loading and evaluation."""
        return self.outside + sum(lab.seconds for lab in self.labs)

    @property
    def data(self) -> Dataset:  # type: ignore[override]  # there nothing is loaded before it is asked for
        return self.random_data

    def lab(self, recipe: Recipe | None = None, no_fit: str = "") -> ProbeLab:
        teacher = self.job.teacher
        lab = ProbeLab(
            self.session,
            self.data,
            seed=0,
            recipe=recipe or self.job.training or Recipe(),
            targets=self.job.targets,
            load_teacher=(lambda: self.random_ancestor(teacher)) if teacher else None,
            no_fit=no_fit,
        )
        self.labs.append(lab)
        return lab

    def ancestor(self, id: str) -> nn.Module:
        return self.random_ancestor(id)

    def learngene(self, id: str) -> Learngene:
        return self.condensed(id)

    def timed(self, name: str, work: Callable[[], Any]) -> Any:
        device, before = self.session.device, sum(lab.spent for lab in self.labs)
        began = clock.seconds(device)
        value = work()
        self.outside += clock.seconds(device) - began - (sum(lab.spent for lab in self.labs) - before)
        return value
