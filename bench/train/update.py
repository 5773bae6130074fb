"""One update of the weights: forward and backward, in as many parts as the recipe says, then the optimiser."""

from contextlib import ExitStack
from typing import Any

import torch
from timm.utils import ModelEmaV3
from torch import Tensor, nn

from bench.randomness import seed_step
from bench.recipes.recipe import Recipe
from bench.train import task
from bench.train.group import Group
from bench.train.precision import autocast

RANKS_APART = 0x9E3779B97F4A7C15  # between the seeds of processes: far, as those of steps follow each other


class Average(ModelEmaV3):
    """timm's average of the weights, in which a tensor that stands in several layers counts once a step.

    timm goes by the names of a state, of which a block that n layers share has n: its decay is then that of n steps.
    """

    def apply_update_(self, model: nn.Module, decay: float) -> None:
        states = (m.state_dict(keep_vars=True).values() for m in (self.module, model))
        pairs = {id(average): (average, tensor) for average, tensor in zip(*states, strict=True)}.values()
        for average, tensor in pairs:
            if not average.is_floating_point():
                average.copy_(tensor)
        floats = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([a for a, _ in floats], [t for _, t in floats], weight=1 - decay)


class Update:
    """Everything that changes weights in a step. What is random in it depends on `seed` and the step alone.

    module:    whose weights are trained; `training` computes their loss (timm's task around the module).
    total:     steps in all; per_epoch: steps of an epoch. The learning rate is a function of them and the step.
    group:     the processes that share every batch, of `batch` images in all; each is given its part.
    """

    def __init__(
        self,
        module: nn.Module,
        training: nn.Module,
        recipe: Recipe,
        *,
        total: int,
        per_epoch: int,
        seed: int,
        group: Group | None = None,
        batch: int = 0,
    ) -> None:
        self.group, self.batch = group or Group(), batch
        self.module, self.training, self.recipe = module, training, recipe
        self.seed = seed + self.group.rank * RANKS_APART
        self.accumulate = recipe.accumulate
        self.optimizer = task.make_optimizer(module, recipe)
        self.schedule = task.make_schedule(self.optimizer, recipe, total, per_epoch)
        # gradients of fp16 vanish unless they are scaled; a step whose scaled ones overflow is left out
        self.scaler = (
            torch.amp.GradScaler(next(module.parameters()).device.type) if recipe.precision == "fp16" else None
        )
        self.trained = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.ema = None if recipe.ema is None else Average(module, decay=recipe.ema)

    def __call__(self, step: int, images: Tensor, labels: Tensor) -> Tensor:
        """Make the update of that step; returns the loss of the batch, a mean over its images, detached.

        In a group: what the images here contribute, so that the mean over the processes is the loss of the batch.
        """
        seed_step((self.seed + step) % 2**63, images.device)
        self.schedule.step_update(step)
        for p in self.trained:  # what optimizer.zero_grad does, at a tenth of its cost
            p.grad = None
        loss = self.backward(images, labels)
        if self.recipe.clip_grad is not None:
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.trained, self.recipe.clip_grad)
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        if self.ema is not None:
            self.ema.update(self.module, step=step + 1)
        return loss

    def backward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Add the gradients of the batch's loss, which is returned detached; `accumulate` parts one after the other."""
        n = self.batch if self.group.world > 1 else len(images)
        parts = images.split(-(-len(images) // self.accumulate))
        losses: list[Tensor] = []
        training: Any = self.training  # with `no_sync` in a group
        for x, y in zip(parts, labels.split(len(parts[0])), strict=True):
            with ExitStack() as stack:
                if len(losses) + 1 < len(parts) and hasattr(training, "no_sync"):
                    stack.enter_context(training.no_sync())  # gradients are exchanged once, with the last part
                with autocast(images.device, self.recipe.precision):
                    loss = training(x, y)["loss"]
                weight = len(x) * self.group.world / n  # every loss is a mean over images
                if weight != 1:
                    loss = loss * weight
                (loss if self.scaler is None else self.scaler.scale(loss)).backward()
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum()

    @property
    def evaluated(self) -> nn.Module:
        """The module as it is evaluated: with the averaged weights where the recipe says so."""
        return self.ema.module if self.ema is not None and self.recipe.ema_eval else self.module

    def finish(self) -> None:
        """Leave in the module what was evaluated."""
        if self.evaluated is not self.module:
            self.module.load_state_dict(self.evaluated.state_dict())

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps besides the module."""
        average = {} if self.ema is None else {"ema": self.ema.module.state_dict()}
        scale = {} if self.scaler is None else {"scaler": self.scaler.state_dict()}
        return {"optimizer": self.optimizer.state_dict(), **average, **scale}

    def load_state(self, state: dict[str, Any]) -> None:
        self.optimizer.load_state_dict(state["optimizer"])
        if self.ema is not None:
            self.ema.module.load_state_dict(state["ema"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
