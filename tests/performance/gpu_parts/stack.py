"""Several models of one size, trained as one: does it pay? Measured only, nothing in bench trains so."""

import copy
from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.optim import Optimizer


def stack_step(
    models: list[nn.Module],
    images: Tensor,
    labels: Tensor,
    optimizer_of: Callable[[Iterable[Tensor], torch.device], Optimizer],
) -> tuple[Callable[[], None], list[Tensor]]:
    """(A step of all models, their parameters [models, ...]). The gradients of all are computed at once, and one
    optimiser that works element by element, as AdamW does, makes one update of all.

    images: [models, B, channels, size, size]; labels: int64 [models, B].
    """
    parameters, buffers = stack_module_state(models)
    shape = copy.deepcopy(models[0])
    for part in shape.modules():
        if hasattr(part, "fused_attn"):  # vmap goes through fused attention model by model
            part.fused_attn = False

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(shape, (parameters, buffers), (images,)), labels)

    gradients = vmap(grad(loss))
    optimizer = optimizer_of(parameters.values(), images.device)

    def step() -> None:
        with torch.no_grad():  # `grad` computes gradients all the same, and they have none of their own
            computed = gradients(parameters, buffers, images, labels)
        for name, gradient in computed.items():
            parameters[name].grad = gradient
        optimizer.step()

    return step, list(parameters.values())
