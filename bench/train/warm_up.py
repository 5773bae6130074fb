"""Before the first step of a fit, outside of its cost: does a batch fit into memory, and can the model be compiled."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bench.recipes.recipe import Recipe
from bench.train.group import Group
from bench.train.update import Update

NONE, MEMORY, COMPILER, HOPELESS = range(4)  # kinds of trouble; a group takes the worst of its processes


def wanted(recipe: Recipe, device: torch.device, group: Group) -> bool:
    """Where there is something to find out: alone on the CPU memory ends otherwise, and nothing is compiled."""
    return device.type == "cuda" or recipe.compile or group.world > 1


def warm_up(update: Update, images: Tensor, labels: Tensor, *, leave_uncompiled: Callable[[], None]) -> bool:
    """Compute the gradients of a batch and throw them away, in as many parts as memory makes necessary.

    The batch stays what the recipe says: from here on its parts are computed one after the other
    (`update.accumulate`). Training goes on as if nothing had been: random numbers are seeded in every step.

    leave_uncompiled: called where torch.compile cannot compile; the update then uses the plain module.
    Returns whether a trained parameter has no gradient, in any process of the group. Raises torch.OutOfMemoryError
    where one image is too much.
    """
    with buffers_kept(update.module):
        first_gradients(update, images, labels, leave_uncompiled)
    unused = any(p.grad is None for p in update.trained if p.requires_grad)
    for p in update.trained:
        p.grad = None
    return bool(update.group.agree(int(unused)))


def first_gradients(update: Update, images: Tensor, labels: Tensor, leave_uncompiled: Callable[[], None]) -> None:
    """Double the parts of a batch until its gradients can be computed, and go on without torch.compile where that
    cannot compile; all processes of a group do so together."""
    while True:
        trouble = attempt(update, images, labels)
        hopeless = trouble == MEMORY and update.accumulate >= len(images)
        answer = update.group.agree(HOPELESS if hopeless else trouble)
        if answer == NONE:
            return
        if answer == HOPELESS:
            raise torch.OutOfMemoryError("out of memory, even for the gradient of a single image")
        if answer == COMPILER:
            leave_uncompiled()
            continue
        update.accumulate *= 2
        torch.compiler.reset()  # what was compiled for larger parts would be compiled again for any size, and be slower
        if images.device.type == "cuda":
            torch.cuda.empty_cache()


def attempt(update: Update, images: Tensor, labels: Tensor) -> int:
    """Say what keeps from computing the gradients of a batch, beside what is not in memory yet but will be."""
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
    """Count the tensors of a parameter's size that are still to come: two of the optimiser (Adam's; others have fewer),
    and in a group one in which gradients are exchanged."""
    return (0 if update.optimizer.state else 2) + (update.group.world > 1)


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Leave running statistics and the like as they were."""
    before = [(buffer, buffer.clone()) for buffer in module.buffers()]
    yield
    for buffer, value in before:
        buffer.copy_(value)
