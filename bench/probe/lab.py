"""A Lab whose trainings end after a few timed steps."""

from typing import Any

from torch import nn

from bench import models
from bench.probe import clock
from bench.train.fit import Fit
from bench.train.lab import JobLab

SKIP = 2  # steps of each training that are not timed
STEPS = (4, 50)  # that are timed, from large models to small ones
CPU_FLOPS, GPU_FLOPS = 1e11, 3e13  # that are timed, about: enough for the clock, not enough to wait for
CPU_STEP = 2e11  # FLOPs of a step on a CPU, at most: larger batches are cut, and time per image extrapolated


class ProbeLab(JobLab):
    """Cuts each training to a few steps. seconds: what the trainings would take. spent: what timing them took."""

    seconds = 0.0
    spent = 0.0

    def fit(self, module: nn.Module, *, name: str, recipe: Any = None, loss: Any = "ce", **options: Any) -> list[Any]:
        """See JobLab.fit; nothing is evaluated."""
        began = clock.seconds(self.device)
        options.pop("evaluate", None)
        if options.get("params") is not None:
            options["params"] = list(options["params"])
        teacher = self.teacher() if loss == "kd" else None
        options |= {"seed": self.seed, "loss": loss, "teacher": teacher}
        whole = self.recipe.merged(dict(recipe or {}))
        full = Fit(self.session, self.data, module, name=name, recipe=whole, **options)
        if full.total > 0:
            batch, steps = self.amount(full)
            parts = max(1, round(whole.accumulate * batch / whole.batch_size))
            short = whole.merged({"steps": SKIP + steps, "batch_size": batch, "accumulate": parts})
            split: Any = self.data.train
            split.time(SKIP, SKIP + steps)
            Fit(self.session, self.data, module, name=name, recipe=short, **options).run()
            self.seconds += split.seconds / steps / batch * full.total * full.batch
        self.spent += clock.seconds(self.device) - began
        return []

    def amount(self, full: Fit) -> tuple[int, int]:
        """Images of a step (those of the recipe, but on a CPU an even number that takes seconds) and timed steps."""
        image = max(models.train_flops(spec) for spec in self.targets)
        batch, enough = full.batch, GPU_FLOPS
        if self.device.type == "cpu":
            batch, enough = min(batch, max(2, int(CPU_STEP / image) // 2 * 2)), CPU_FLOPS
        few, many = STEPS
        return batch, min(max(int(enough / (image * batch)), few), many)
