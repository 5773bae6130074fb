"""LSUV: orthonormal weights, then each layer is scaled until its output on a batch of images has unit variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import HEAD, Lab
from methods.parts.data_free import DataFree
from methods.parts.weights import fresh_vit
from methods.vit import VitSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

TOLERANCE, ROUNDS = 0.1, 10


@dataclass
class Lsuv(DataFree):
    """Patch embedding and block matrices are orthonormal, then scaled to outputs of unit variance on a batch.

    images: of the batch, drawn from the training images.
    center: also shifts a layer's biases by the mean of its output, as the released code can.
    head:   has no effect: there is no head to transfer.

    Any size; stores nothing. All but the classifier, which keeps timm's start, is drawn from the lab: matrices from the
    singular value decomposition of a normal draw, the rest as timm draws it, with biases 0. In the order of computation
    W is divided by the standard deviation of its layer's output until that is within 0.1 of 1, at most 10 times.

    Source: Mishkin and Matas, All You Need is a Good Init, ICLR 2016 (arXiv 1511.06422), and its released code.
    Verified: orthonormal starts; each layer's output on the batch, in a forward pass of its own, has std 1; the order.
    Assumed: the paper does not shift biases (from general knowledge of it). The fused qkv is one layer; norms are left
    alone; the classifier too, since its head is fresh in every method that transfers none.
    """

    images: int = 128
    center: bool = False

    at_start: ClassVar[tuple[str, ...]] = ("head", "images", "center")
    uses: ClassVar[tuple[str, ...]] = ("images",)

    def __post_init__(self) -> None:
        if self.images < 2:
            raise ValueError(f"images must be at least 2, found {self.images}")

    def starts(self, fresh: dict[str, Tensor], spec: VitSpec, lab: Lab | None) -> dict[str, Tensor]:
        import torch

        if lab is None:
            raise ValueError("lsuv looks at images: initialize needs a lab")
        draw = lab.generator("lsuv")
        model = fresh_vit(spec, draw).eval()
        make_orthonormal(model, lab.generator("lsuv matrices"))
        model.to(lab.device)
        batch = torch.cat(list(lab.batches(self.images, name="lsuv"))).to(lab.device)
        with lab.meter("lsuv"):
            scale_to_unit_variance(model, batch, center=self.center)
        return {name: t.cpu() for name, t in model.state_dict().items() if name not in HEAD}


def scaled_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers that are scaled, by name, in the order of computation."""
    vit: Any = model
    layers: dict[str, nn.Module] = {"patch_embed.proj": vit.patch_embed.proj}
    for i, block in enumerate(vit.blocks):
        layers[f"blocks.{i}.attn.qkv"], layers[f"blocks.{i}.attn.proj"] = block.attn.qkv, block.attn.proj
        layers[f"blocks.{i}.mlp.fc1"], layers[f"blocks.{i}.mlp.fc2"] = block.mlp.fc1, block.mlp.fc2
    return layers


def orthonormal(noise: Tensor) -> Tensor:
    """The orthonormal rows, or columns where there are more rows, nearest to `noise` [out, ...] as a matrix."""
    import torch

    u, _, vh = torch.linalg.svd(noise.flatten(1), full_matrices=False)
    return (u if u.shape == noise.flatten(1).shape else vh).view_as(noise)


def make_orthonormal(model: nn.Module, draw: torch.Generator) -> None:
    """Draw the weights of all scaled layers as orthonormal matrices; their biases become 0."""
    import torch

    with torch.no_grad():
        for layer in scaled_layers(model).values():
            weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
            weight.copy_(orthonormal(torch.randn(weight.shape, generator=draw)))
            bias.zero_()


def scale_to_unit_variance(model: nn.Module, images: Tensor, *, center: bool = False) -> None:
    """Scale the layers in place, each before its output goes on: the one forward pass meets only finished layers."""
    import torch

    def scale(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        for _ in range(ROUNDS):
            std, mean = output.std(), output.mean()
            if abs(std - 1) <= TOLERANCE and not (center and abs(mean) > TOLERANCE):
                break
            layer.weight /= std
            if center:
                layer.bias -= layer.forward(*inputs).mean()
            output = layer.forward(*inputs)
        return output

    hooks = [layer.register_forward_hook(scale) for layer in scaled_layers(model).values()]
    try:
        with torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
