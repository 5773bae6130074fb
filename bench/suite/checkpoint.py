"""What a file of weights holds, told from the names and shapes of its tensors before anything runs.

The header of a safetensors file says both; what torch.save wrote is read by torch, without executing code.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.suite.timm_models import TimmModel
from bench.words import few
from methods.vit import VitSpec, mlp_ratio_of

Shapes = dict[str, tuple[int, ...]]
WRAPPED = ("_orig_mod.", "module.", "_orig_mod.")  # by torch.compile and DDP, in either order
CORE = ("patch_embed.proj.weight", "pos_embed", "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc1.weight")
IN_BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
HEAD_DIM = 64  # of all ViTs and DeiTs that were published; what a message proposes


def shapes(path: str) -> Shapes:
    """Name -> shape of the tensors in a file. Raises ValueError for what holds none."""
    return _shapes(path, Path(path).stat().st_mtime_ns)


@lru_cache
def _shapes(path: str, mtime: int) -> Shapes:
    tensors = _in_safetensors(path) if path.endswith(".safetensors") else _in_pickle(path)
    if not tensors:
        raise ValueError(f"{path} holds no weights; expected name -> tensor, bare or under 'model' or 'state_dict'")
    return tensors


def _in_safetensors(path: str) -> Shapes:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            listed = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None
    return {_unwrapped(name): shape for name, shape in listed.items()}


def _in_pickle(path: str) -> Shapes:
    from timm.models import load_state_dict  # late: only these files need torch
    from torch import Tensor

    try:
        state: Any = load_state_dict(path, use_ema=False, weights_only=True)
    except Exception as error:  # whatever torch's reader stumbles over in a file that is none
        raise _unreadable(path, error) from None
    if not all(isinstance(tensor, Tensor) for tensor in state.values()):
        return {}
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def _unreadable(path: str, error: Exception) -> ValueError:
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return ValueError(f"{path} cannot be read as weights: {type(error).__name__}: {first}")


def _unwrapped(name: str) -> str:
    for prefix in WRAPPED:
        name = name.removeprefix(prefix)
    return name


def is_vit(tensors: Shapes) -> bool:
    """Whether the tensors have the names and dimensions of timm's VisionTransformer."""
    known = [tensors.get(name, ()) for name in CORE]
    return [len(shape) for shape in known] == [4, 3, 2, 2] and all(length > 0 for shape in known for length in shape)


def vit(path: str, heads: int | None = None) -> TimmModel:
    """The plain ViT in a file; images and head are those that it was trained for. `heads` are 1 unless given: shapes
    do not tell them.

    Raises ValueError for another architecture, or one that has more, or less, than a plain ViT.
    """
    tensors = shapes(path)
    if not is_vit(tensors):
        there = few(list(tensors), 3)
        raise ValueError(f"{path} is no ViT as timm has it: expected tensors such as {', '.join(CORE)}; found {there}")
    (width, channels, patch, _), rows = tensors[CORE[0]], tensors[CORE[1]][1]
    blocks = {name.split(".")[1] for name in tensors if name.startswith("blocks.")}
    depth = next(depth for depth in range(1, len(blocks) + 1) if str(depth) not in blocks)  # others are named below
    token = "cls_token" in tensors
    place = token and math.isqrt(rows) ** 2 != rows  # patches are a square
    norm = "fc_norm" if "fc_norm.weight" in tensors else "norm"
    scaled = "blocks.0.ls1.gamma" in tensors
    _check_names(path, tensors, _expected(depth, token, norm, scaled))
    spec = VitSpec(
        embed_dim=width,
        depth=depth,
        num_heads=heads or 1,
        patch_size=patch,
        img_size=patch * math.isqrt(rows - place),
        in_chans=channels,
        num_classes=classes(tensors) or 1,
        mlp_ratio=mlp_ratio_of(tensors[CORE[3]][0], width),
        class_token=token,
        global_pool="token" if token and norm == "norm" else "avg",
    )
    return TimmModel(path, classes(tensors), spec, scaled, place or not token)


def classes(tensors: Shapes) -> int:
    """Of the head; 0 where there is none."""
    return tensors.get("head.weight", (0,))[0]


def _expected(depth: int, token: bool, norm: str, scaled: bool) -> set[str]:
    """The names of all tensors but those of the head."""
    layers = ["patch_embed.proj", norm, *(f"blocks.{i}.{layer}" for i in range(depth) for layer in IN_BLOCK)]
    names = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")} | {"pos_embed"}
    names |= {f"blocks.{i}.{ls}.gamma" for i in range(depth) for ls in ("ls1", "ls2")} if scaled else set()
    return names | ({"cls_token"} if token else set())


def _check_names(path: str, tensors: Shapes, expected: set[str]) -> None:
    more = sorted(tensors.keys() - expected - {"head.weight", "head.bias"})
    less = sorted(expected - tensors.keys())
    if more:
        raise ValueError(f"the weights in {path} hold what a plain ViT has not: {few(more, 5)}")
    if less:
        raise ValueError(f"the weights in {path} lack what a plain ViT has: {few(less, 5)}")
