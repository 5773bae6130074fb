"""Loss and optimisation of a fit, by timm's parts."""

from collections.abc import Callable
from typing import Any

import timm.optim
import torch
from timm.data import Mixup
from timm.layers import DropPath
from timm.scheduler import CosineLRScheduler
from timm.task import ClassificationTask, LogitDistillationTask, TrainingTask
from torch import Tensor, nn

from bench.recipes.recipe import Distill, Recipe

LossFunction = Callable[[nn.Module, Tensor, Tensor], Tensor]


class FunctionTask(TrainingTask):
    """A loss that a method gives as a function (module, images, labels) -> scalar."""

    def __init__(self, model: nn.Module, function: LossFunction, device: torch.device) -> None:
        super().__init__(device=device, verbose=False)
        self.trainable_module, self.function = model, function

    def forward(self, input: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"loss": self.function(self.trainable_module, input, target)}


class Still(nn.Module):
    """A teacher in inference mode, which timm's task leaves at `no_grad`: nothing is kept for gradients to come.

    stats: (mean, std) of the images that come and those of the images that it takes, where they differ.
    """

    def __init__(self, model: nn.Module, stats: tuple[Tensor, Tensor, Tensor, Tensor] | None = None) -> None:
        super().__init__()
        self.model, self.stats = model, stats

    def forward(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            if self.stats is not None:
                mean, std, own_mean, own_std = self.stats
                images = (images * std + mean - own_mean) / own_std
            logits = self.model(images)
        return logits.clone()  # the loss has to remember it


def make_task(
    module: nn.Module, loss: str | LossFunction, recipe: Recipe, teacher: nn.Module | None, images: dict[str, Any],
    device: torch.device,
) -> TrainingTask:  # fmt: skip
    """The timm task of a loss. `images`: the mean and std that they are normalised by."""
    if callable(loss):
        return FunctionTask(module, loss, device)
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing if not mixes(recipe) else 0.0)
    if loss == "ce":
        return ClassificationTask(module, criterion, device=device, verbose=False)
    if loss != "kd":
        raise ValueError(f"loss must be 'ce', 'kd' or a function, found {loss!r}")
    assert teacher is not None
    distill = recipe.distill or Distill()
    model: Any
    for model in (module, teacher):  # timm's task reads the normalisation of both models from here
        if getattr(model, "pretrained_cfg", None) is None:
            model.pretrained_cfg = images
    task: Any = LogitDistillationTask(
        module, teacher, criterion, distill_loss_weight=distill.kl, task_loss_weight=distill.ce,
        temperature=distill.temperature, device=device, verbose=False,
    )  # fmt: skip
    stats = (task.student_mean, task.student_std, task.teacher.mean_kd, task.teacher.std_kd)
    equal = torch.equal(stats[0], stats[2]) and torch.equal(stats[1], stats[3])
    task.teacher.model = Still(task.teacher.model, None if equal else stats)
    task.student_mean = task.student_std = None  # else timm compares them in every step, which waits for a GPU
    return task


def make_optimizer(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """timm's optimiser; no weight decay on vectors, nor on what the model says."""
    options: dict[str, Any] = {}
    if recipe.betas is not None:
        options["betas"] = recipe.betas
    if recipe.eps is not None:
        options["eps"] = recipe.eps
    if recipe.optimizer in ("adamw", "adam"):
        options["fused"] = True
    return timm.optim.create_optimizer_v2(
        module,
        opt=recipe.optimizer,
        lr=recipe.peak_lr,
        weight_decay=recipe.weight_decay,
        momentum=recipe.momentum,
        **options,
    )


def make_schedule(optimizer: torch.optim.Optimizer, recipe: Recipe, total: int, per_epoch: int) -> CosineLRScheduler:
    """Learning rate by update: a function of the step alone, so that a resumed fit needs no state of it."""
    constant = recipe.schedule == "constant"
    return CosineLRScheduler(
        optimizer,
        t_initial=max(total, 2),  # of fewer timm warns; the first step is at the peak in any case
        lr_min=recipe.peak_lr if constant else recipe.min_lr,
        warmup_t=min(recipe.steps_of_warmup(per_epoch), total),
        warmup_lr_init=recipe.warmup_lr,
        warmup_prefix=False,
        t_in_epochs=False,
    )


def mixes(recipe: Recipe) -> bool:
    return recipe.mixup > 0 or recipe.cutmix > 0


def make_mixup(recipe: Recipe, classes: int) -> Mixup | None:
    """timm's mixup and cutmix; it draws from numpy's global generator, which the loop seeds for every step."""
    if not mixes(recipe):
        return None
    return Mixup(
        mixup_alpha=recipe.mixup, cutmix_alpha=recipe.cutmix, prob=recipe.mixup_prob,
        switch_prob=recipe.mixup_switch_prob, label_smoothing=recipe.label_smoothing, num_classes=classes,
    )  # fmt: skip


def set_drop_path(model: nn.Module, rate: float) -> None:
    """Stochastic depth growing linearly to `rate` over the blocks, as timm's constructor does."""
    blocks = list(getattr(getattr(model, "skeleton", model), "blocks", []))
    for i, block in enumerate(blocks):
        p = rate * i / max(len(blocks) - 1, 1)
        for name in ("drop_path1", "drop_path2"):
            if hasattr(block, name):
                setattr(block, name, DropPath(p) if p > 0 else nn.Identity())
