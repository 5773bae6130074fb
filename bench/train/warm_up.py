"""Before the first step of a fit, outside of its clock: does a batch fit into memory, and what does compiling take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.recipe import Recipe
from bench.train.group import Group
from bench.train.update import Update

if TYPE_CHECKING:
    from bench.train.fit import Fit


def wanted(recipe: Recipe, device: torch.device, group: Group) -> bool:
    """Where there is something to find out: alone on the CPU memory ends otherwise, and nothing is compiled."""
    return device.type == "cuda" or recipe.compile or group.world > 1


def warm_up(fit: Fit) -> bool:
    """Compute the gradients of the first batch and throw them away, in as many parts as memory makes necessary.

    The batch stays what the recipe says: from here on its parts are computed one after the other (`accumulate`), which
    the result says. Training goes on as if nothing had been: random numbers are seeded in every step.
    Returns whether a trained parameter has no gradient. Raises torch.OutOfMemoryError where one image is too much.
    """
    began = time.perf_counter()
    update, session = fit.update, fit.session
    epoch, offset = divmod(fit.step, fit.per_epoch)
    with closing(fit.batches(fit.order(epoch)[offset : offset + 1], epoch)) as batches:  # type: ignore[type-var]
        images, labels = fit.mixed(*next(batches))
    clock = time.perf_counter()
    fit.task.train()
    with buffers_kept(fit.module):
        fit_in_memory(update, images, labels)
    unused = any(p.grad is None for p in update.trained if p.requires_grad)
    for p in update.trained:
        p.grad = None
    if fit.recipe.compile:
        fit.notes["compile_seconds"] = fit.notes.get("compile_seconds", 0.0) + round(fit.since(clock), 3)
    if update.accumulate != fit.recipe.accumulate:
        fit.notes["accumulate"] = update.accumulate
        what = f"a batch of {fit.batch} is computed in {update.accumulate} parts instead of {fit.recipe.accumulate}"
        session.log("warning", fit=fit.name, message=f"not enough memory: {what}")
    session.warm_up_seconds += fit.since(began)
    return bool(fit.group.agree(int(unused)))


def fit_in_memory(update: Update, images: Tensor, labels: Tensor) -> None:
    """Double the parts of a batch until its gradients can be computed; all processes of a group do so together."""
    while True:
        failed = not attempt(update, images, labels)
        hopeless = failed and update.accumulate >= len(images)
        answer = update.group.agree(2 * hopeless or int(failed))
        if answer == 0:
            return
        if answer == 2:
            raise torch.OutOfMemoryError("out of memory, even for the gradient of a single image")
        update.accumulate *= 2
        torch.compiler.reset()  # what was compiled for larger parts would be compiled again for any size, and be slower
        if images.device.type == "cuda":
            torch.cuda.empty_cache()


def attempt(update: Update, images: Tensor, labels: Tensor) -> bool:
    """Whether memory was enough for the gradients of a batch, beside what is not there yet but will be."""
    for p in update.trained:
        p.grad = None
    try:
        coming = [torch.empty_like(p) for p in update.trained for _ in range(copies(update))]
        update.backward(images, labels)
        del coming
        return True
    except torch.OutOfMemoryError:
        return False


def copies(update: Update) -> int:
    """How many tensors of a parameter's size are still to come: two of the optimiser (Adam's; others have fewer), and
    in a group one in which gradients are exchanged."""
    return (0 if update.optimizer.state else 2) + (update.group.world > 1)


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Leave running statistics and the like as they were."""
    before = [(buffer, buffer.clone()) for buffer in module.buffers()]
    yield
    for buffer, value in before:
        buffer.copy_(value)
