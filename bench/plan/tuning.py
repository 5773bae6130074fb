"""The runs that a method's learning rate is chosen by: each rate on each target, at each tuning seed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.plan.jobs import Jobs
from bench.plan.model import Family
from bench.plan.targets import MethodTarget
from bench.suite import MethodEntry, Suite

# what a run on the target starts from, given the seed of a reported run
FamilyAt = Callable[[MethodTarget, int], Family]


@dataclass
class Tuning:
    """The jobs that a method's learning rate is chosen by."""

    runs: dict[str, list[str]] = field(default_factory=dict)  # by candidate, over all targets and tuning seeds
    starts_on: dict[str, list[str]] = field(default_factory=dict)  # by target
    runs_on: dict[str, list[str]] = field(default_factory=dict)
    some_targets: bool = False  # whether what is chosen is for targets that nothing was tried on, too

    def jobs_on(self, target: str) -> tuple[str, ...]:
        """Those that choose the rate of runs on a target, each once: starts, then runs."""
        starts, runs = self.starts_on.get(target, []), self.runs_on.get(target, [])
        if self.some_targets:
            starts, runs = (sum(by.values(), []) for by in (self.starts_on, self.runs_on))
        return tuple(dict.fromkeys([*starts, *runs]))


def tuning_of(suite: Suite, jobs: Jobs, method: MethodEntry, served: list[MethodTarget], family_at: FamilyAt) -> Tuning:
    """The tuning of a method on the targets that it serves. They see the validation part alone.

    Those of the first tuning seed start from what was made for the first seed, those of the second from that of the
    second, and so on. Rates that widen the grid are tried only where the choice so far is its outermost one.
    """
    tune = suite.file.tune
    if tune is None or not served:
        return Tuning()
    for seed in tune.tuning_seeds:
        if seed in method.seeds:
            key = "seed" if tune.seeds is None else "seeds"
            raise suite.source.error(("tune", key), f"expected a seed of no reported run, found {seed}")
    tuning = Tuning(some_targets=tune.targets is not None)
    tried = [target for target in served if target.name in (tune.targets or [])] or served
    for times_widened, rates in enumerate(tune.grids):
        before = dict(tuning.runs) if times_widened else {}
        for rate in rates:
            recipe = method.runs.model_copy(update={"lr": rate})
            for place, seed in enumerate(tune.tuning_seeds):
                for target in tried:
                    family = family_at(target, method.seeds[place % len(method.seeds)])
                    start = jobs.start(family, target.spec, seed) if family.initializer.trains_start else None
                    run = jobs.run(family, target.spec, seed, recipe, start, trial=True, widens=before)
                    tuning.runs.setdefault(repr(rate), []).append(run)
                    tuning.runs_on.setdefault(target.name, []).append(run)
                    if start is not None:
                        tuning.starts_on.setdefault(target.name, []).append(start)
    return tuning
