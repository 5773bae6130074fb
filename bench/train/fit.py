"""The one training loop: ancestors, auxiliary networks, seeds, scalers and targets all train here."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import closing
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from bench.data import Dataset, stratified_fraction
from bench.randomness import derive_seed, seed_all
from bench.recipes.recipe import Recipe
from bench.train import flops, task, warm_up
from bench.train.clock import Stage
from bench.train.cost import Cost
from bench.train.curve import Curve
from bench.train.modules import place, set_mode
from bench.train.session import Interrupted, NotFinite, Session
from bench.train.update import Update

CUDA_CHECK_STEPS = 50  # between looks at the losses on a GPU, where every look waits for it
GROUP_CHECK_STEPS = 10  # the same on the CPU in a group, which has to exchange them


class Fit:
    """One training of one module. Whatever is random in a step depends on the seed, the fit's name and the step alone,
    so a fit that is resumed goes on exactly as it would have."""

    def __init__(
        self,
        session: Session,
        data: Dataset,
        module: nn.Module,
        *,
        name: str,
        recipe: Recipe,
        seed: int,
        loss: str | task.LossFunction = "ce",
        teacher: nn.Module | None = None,
        params: Iterable[nn.Parameter] | None = None,
        fraction: float = 1.0,
        at_least: int = 0,
        before_step: Callable[[int, torch.Generator], Hashable] | None = None,
        evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    ) -> None:
        if name in session.costs:
            raise ValueError(f"two fits of one job are named {name!r}")
        self.session, self.data, self.module, self.name, self.recipe = session, data, module, name, recipe
        self.loss, self.teacher, self.evaluate, self.group = loss, teacher, evaluate, session.group
        self.before_step = before_step
        self.seed = derive_seed(seed, "fit", name)
        self.chosen = None if params is None else {id(p) for p in params}
        n = data.train.n
        fraction = max(fraction, at_least / n)
        self.indices = torch.arange(n) if fraction >= 1 else stratified_fraction(data.train.labels, fraction, self.seed)
        self.batch = min(recipe.batch_size, len(self.indices))
        if task.mixes(recipe):
            self.batch = max(self.batch - self.batch % 2, 2)  # images are mixed in pairs
        self.per_epoch = len(self.indices) // self.batch  # the last, smaller batch is left out, as timm does
        self.total = recipe.total_steps(self.per_epoch)
        self.step = 0
        self.cost, self.curve = Cost(), Curve(self.per_epoch, self.total)
        self.evals: list[dict[str, Any]] = []
        self.losses: list[Tensor] = []
        self.notes: dict[str, Any] = {}
        self.step_flops: dict[Hashable, int] = {}  # by shape and what `before_step` chose

    def run(self) -> list[dict[str, Any]]:
        """Train, or restore what was trained before; leaves the module in evaluation mode. Returns the evaluations."""
        self.session.costs[self.name], self.session.notes[self.name] = self.cost, self.notes
        self.session.curves[self.name] = self.curve
        finished = self.session.done.get(self.name)
        if finished is not None:
            self.restore(finished)
        else:
            self.train()
        seed_all(self.seed, "after")  # what follows does not depend on whether the fit was restored
        set_mode(self.module, training=False)
        return self.evals

    def train(self) -> None:
        others = [] if self.chosen is None else [p for p in self.module.parameters() if id(p) not in self.chosen]
        frozen = [p for p in others if p.requires_grad]
        for p in frozen:
            p.requires_grad_(False)
        try:
            self.prepare()
            self.loop()
        finally:
            for p in frozen:
                p.requires_grad_(True)
        self.session.finish_fit(self.name, self.state())

    def prepare(self) -> None:
        device = self.session.device
        self.group.align(place(self.module, device))
        seed_all(self.seed, "setup")
        if self.recipe.drop_path:
            task.set_drop_path(self.module, self.recipe.drop_path)
        self.task = self.make_task(compiled=self.recipe.compile)
        self.update = Update(
            self.module,
            self.task,
            self.recipe,
            total=self.total,
            per_epoch=self.per_epoch,
            seed=self.seed,
            group=self.group,
            batch=self.batch,
        )
        self.mixup = task.make_mixup(self.recipe, len(self.data.classes))
        current = self.session.current
        if current is not None and current["name"] == self.name:
            self.restore(current)
            self.update.load_state(current)
            self.session.log("resumed", fit=self.name, step=self.step)
        self.session.current = None
        unused = False
        if self.step < self.total and warm_up.wanted(self.recipe, device, self.group):
            unused = self.warm_up()
        # a method's own loss, or choice, may use other parameters in other steps
        unused = unused or callable(self.loss) or self.before_step is not None
        self.update.training = self.group.wrap(self.task, unused=unused)

    def make_task(self, *, compiled: bool) -> task.TrainingTask:
        module: Any = torch.compile(self.module) if compiled else self.module
        stats = {"mean": self.data.mean, "std": self.data.std}
        return task.make_task(module, self.loss, self.recipe, self.teacher, stats, self.session.device)

    def warm_up(self) -> bool:
        """Find out in how many parts a batch is computed; returns whether a trained parameter has no gradient."""
        with self.session.clock.stage("warm-up"):
            epoch, offset = divmod(self.step, self.per_epoch)
            with closing(self.batches(self.order(epoch)[offset : offset + 1], epoch)) as batches:  # type: ignore[type-var]
                images, labels = self.mixed(*next(batches))
            self.task.train()
            with self.session.clock.stage("compile") as compiling:
                unused = warm_up.warm_up(self.update, images, labels, leave_uncompiled=self.leave_uncompiled)
        if self.recipe.compile:
            self.notes["compile_seconds"] = self.notes.get("compile_seconds", 0.0) + round(compiling.seconds, 3)
        if self.update.accumulate != self.recipe.accumulate:
            self.notes["accumulate"] = parts = self.update.accumulate
            what = f"a batch of {self.batch} is computed in {parts} parts instead of {self.recipe.accumulate}"
            self.session.log("warning", fit=self.name, message=f"not enough memory: {what}")
        return unused

    def leave_uncompiled(self) -> None:
        message = "torch.compile failed here, so training goes on without; output.txt says why"
        self.session.log("warning", fit=self.name, message=message)
        self.task = self.update.training = self.make_task(compiled=False)
        self.task.train()

    def loop(self) -> None:
        """Steps, with an evaluation before the first, at the recipe's looks or every `eval_every` epochs, and after the
        last."""
        self.evaluate_if_due()
        set_mode(self.task, training=self.step < self.total)
        while self.step < self.total:
            epoch, offset = divmod(self.step, self.per_epoch)
            until = min([self.total, *(look for look in self.recipe.looks or () if look > self.step)])
            order = self.order(epoch)[offset : offset + until - self.step]
            with self.session.clock.stage("train") as training:
                self.curve.start_timing(self.cost.images)
                for images, labels in self.batches(order, epoch):
                    self.one_step(images, labels)
                    due = self.session.pause_due(self.step, last=self.step >= self.total)
                    if due:
                        self.pause(training, stop=due == "stop")
            training.charge(self.cost)
            self.check_losses()
            self.evaluate_if_due()
        self.update.finish()

    def order(self, epoch: int) -> list[Tensor]:
        """The batches of an epoch, as indices. Repeated augmentation: `repeats` draws of an image in a row, of as many
        fewer images, so that an epoch keeps its length."""
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", epoch))
        shuffled = self.indices[torch.randperm(len(self.indices), generator=generator)]
        if self.recipe.repeats > 1:
            draws = torch.arange(self.recipe.repeats) * self.data.train.n
            shuffled = (shuffled[:, None] + draws).flatten()
        return list(shuffled[: self.per_epoch * self.batch].split(self.batch))

    def batches(self, order: list[Tensor], epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of each batch."""
        parts = [self.group.shard(batch) for batch in order]
        return self.data.train.batches(parts, epoch=epoch, seed=self.seed, augment=self.recipe.augment)

    def mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mixed as the step says; in a group all draw the same."""
        if self.mixup is None:
            return images, labels
        numpy.random.seed(derive_seed(self.seed, "mix", self.step) % 2**32)
        return self.mixup(images, labels)

    def chosen_now(self) -> Hashable:
        """What the module trains in this step, by the seed and the step alone: in a group all choose alike."""
        if self.before_step is None:
            return None
        draw = torch.Generator().manual_seed(derive_seed(self.seed, "before step", self.step))
        return self.before_step(self.step, draw)

    def one_step(self, images: Tensor, labels: Tensor) -> None:
        key = self.chosen_now()
        images, labels = self.mixed(images, labels)
        loss = self.update(self.step, images, labels)
        self.step += 1
        self.cost.images += self.batch
        self.cost.flops += self.flops_of(images, labels, key)
        self.losses.append(loss)
        if len(self.losses) >= self.check_steps:
            self.check_losses()

    @property
    def check_steps(self) -> int:
        """Steps between looks at the losses."""
        if self.session.device.type != "cpu":
            return CUDA_CHECK_STEPS
        return 1 if self.group.world == 1 else GROUP_CHECK_STEPS

    def flops_of(self, images: Tensor, labels: Tensor, key: Hashable = None) -> int:
        """FLOPs of the step, of the whole batch; `key`: what the module trains in it."""
        counted = (tuple(images.shape), key)
        if counted not in self.step_flops:
            images, labels = (x.new_empty((self.batch, *x.shape[1:]), device="meta") for x in (images, labels))
            count = flops.step(self.module, images, labels, self.loss if callable(self.loss) else None)
            if self.loss == "kd":
                assert self.teacher is not None
                count += flops.forward(self.teacher, images)
            self.step_flops[counted] = count
        return self.step_flops[counted]

    def check_losses(self) -> None:
        """Look at the losses since the last look, and tell of them. Raises NotFinite at the first step whose loss was
        NaN or infinite."""
        if not self.losses:
            return
        if self.group.world == 1:
            values = [self.losses[0].item()] if len(self.losses) == 1 else torch.stack(self.losses).tolist()
        else:
            values = (self.group.sum(torch.stack(self.losses)) / self.group.world).tolist()
        self.losses.clear()
        self.finite(values)
        lr = self.update.optimizer.param_groups[0]["lr"]
        line = self.curve.add(values, step=self.step, images=self.cost.images, lr=lr)
        if line is not None:
            self.session.log("train", fit=self.name, **line)
            self.say_progress()

    def finite(self, values: list[float]) -> None:
        """Look at the losses of the last steps."""
        first = self.step - len(values)
        for i, value in enumerate(values):
            if not numpy.isfinite(value):
                raise NotFinite(f"loss is {value} at step {first + i} of {self.total} of the fit {self.name!r}")

    def pause(self, training: Stage, *, stop: bool) -> None:
        """Save where we are; stop here if asked to."""
        training.charge(self.cost)
        self.check_losses()
        self.session.save(self.state() | {"name": self.name, **self.update.state()})
        if stop:
            raise Interrupted(f"stopped at step {self.step} of {self.total} of the fit {self.name!r}")
        self.curve.start_timing(self.cost.images)
        self.say_progress()

    def say_progress(self) -> None:
        self.session.progress(fit=self.name, step=self.step, total=self.total, loss=self.curve.loss)

    def evaluate_if_due(self) -> None:
        epoch, rest = divmod(self.step, self.per_epoch)
        last = self.step >= self.total
        due = last or (rest == 0 and epoch % self.recipe.eval_every == 0)
        if self.recipe.looks is not None:
            due = last or self.step in (0, *self.recipe.looks)
        if self.evaluate is None or not due or (self.evals and self.evals[-1]["step"] == self.step):
            return
        with self.session.clock.stage("evaluate") as evaluating:
            evaluated = self.update.evaluated
            set_mode(evaluated, training=False)  # once for all splits
            values = self.evaluate(evaluated)
        self.cost.eval_seconds += evaluating.seconds
        set_mode(self.task, training=not last)
        cost = {"images": self.cost.images, "flops": self.cost.flops, "seconds": round(self.cost.seconds, 6)}
        self.evals.append({"epoch": self.step / self.per_epoch, "step": self.step, **cost, **values})
        self.session.log("eval", fit=self.name, **self.evals[-1])

    def state(self) -> dict[str, Any]:
        return {
            "model": self.module.state_dict(),
            "step": self.step,
            "cost": self.cost.as_dict(),
            "evals": self.evals,
            "notes": self.notes,
            "curve": self.curve.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.module.to(self.session.device)
        self.module.load_state_dict(state["model"])
        self.step, self.evals = state["step"], list(state["evals"])
        self.notes = self.session.notes[self.name] = state.get("notes", {})
        self.cost = self.session.costs[self.name] = Cost(**state["cost"])
        self.curve.load_state(state.get("curve"))
