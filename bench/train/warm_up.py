"""Before the first step of a fit, outside of its clock: does a batch fit into memory, and what does compiling take."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.recipes.recipe import Recipe
from bench.train.group import Group
from bench.train.update import Update

if TYPE_CHECKING:
    from bench.train.fit import Fit

NONE, MEMORY, COMPILER, HOPELESS = range(4)  # kinds of trouble; a group takes the worst of its processes


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
        first_gradients(fit, images, labels)
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


def first_gradients(fit: Fit, images: Tensor, labels: Tensor) -> None:
    """Double the parts of a batch until its gradients can be computed, and go on without torch.compile where that
    cannot compile; all processes of a group do so together."""
    update = fit.update
    while True:
        trouble = attempt(update, images, labels)
        hopeless = trouble == MEMORY and update.accumulate >= len(images)
        answer = update.group.agree(HOPELESS if hopeless else trouble)
        if answer == NONE:
            return
        if answer == HOPELESS:
            raise torch.OutOfMemoryError("out of memory, even for the gradient of a single image")
        if answer == COMPILER:
            message = "torch.compile failed here, so training goes on without; output.txt says why"
            fit.session.log("warning", fit=fit.name, message=message)
            fit.leave_uncompiled()
            continue
        update.accumulate *= 2
        torch.compiler.reset()  # what was compiled for larger parts would be compiled again for any size, and be slower
        if images.device.type == "cuda":
            torch.cuda.empty_cache()


def attempt(update: Update, images: Tensor, labels: Tensor) -> int:
    """What keeps from computing the gradients of a batch, beside what is not in memory yet but will be."""
    for p in update.trained:
        p.grad = None
    try:
        coming = [torch.empty_like(p) for p in update.trained for _ in range(copies(update))]
        update.backward(images, labels)
        del coming
        return NONE
    except torch.OutOfMemoryError:
        return MEMORY
    except RuntimeError as error:
        if not of_compiler(error):
            raise
        traceback.print_exc()
        return COMPILER


def of_compiler(error: RuntimeError) -> bool:
    errors = sys.modules.get("torch._dynamo.exc")  # importing it takes two seconds, which compiling has spent already
    return errors is not None and isinstance(error, errors.TorchDynamoException)


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
