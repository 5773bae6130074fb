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
    hidden = tensors[CORE[3]][0]
    spec = VitSpec(
        embed_dim=width,
        depth=depth,
        num_heads=heads or 1,
        patch_size=patch,
        img_size=patch * math.isqrt(rows - place),
        in_chans=channels,
        num_classes=classes(tensors) or 1,
        mlp_ratio=mlp_ratio_of(hidden, width),
        class_token=token,
        global_pool="token" if token and norm == "norm" else "avg",
    )
    positions = math.isqrt(rows - place) ** 2 + place
    _check_tensors(path, tensors, _expected(spec, hidden, positions, norm, scaled, "head.weight" in tensors))
    return TimmModel(path, classes(tensors), spec, scaled, place or not token)


def classes(tensors: Shapes) -> int:
    """Of the head; 0 where there is none."""
    return tensors.get("head.weight", (0,))[0]


def _expected(spec: VitSpec, hidden: int, positions: int, norm: str, scaled: bool, head: bool) -> Shapes:
    """Name -> shape of all tensors."""
    width = spec.embed_dim
    wide = {"attn.qkv": (3 * width, width), "attn.proj": (width, width)}
    wide |= {"mlp.fc1": (hidden, width), "mlp.fc2": (width, hidden)}
    layers: Shapes = {"patch_embed.proj": (width, spec.in_chans, spec.patch_size, spec.patch_size), norm: (width,)}
    layers |= {f"blocks.{i}.{layer}": wide.get(layer, (width,)) for i in range(spec.depth) for layer in IN_BLOCK}
    layers |= {"head": (spec.num_classes, width)} if head else {}
    tensors: Shapes = {"pos_embed": (1, positions, width)}
    tensors |= {f"{layer}.weight": shape for layer, shape in layers.items()}
    tensors |= {f"{layer}.bias": shape[:1] for layer, shape in layers.items()}
    if scaled:
        tensors |= {f"blocks.{i}.{ls}.gamma": (width,) for i in range(spec.depth) for ls in ("ls1", "ls2")}
    return tensors | ({"cls_token": (1, 1, width)} if spec.class_token else {})


def _check_tensors(path: str, tensors: Shapes, expected: Shapes) -> None:
    """Raises ValueError for tensors that a plain ViT of this size has not, lacks, or has in another shape."""
    if more := sorted(tensors.keys() - expected.keys()):
        raise ValueError(f"the weights in {path} hold what a plain ViT has not: {few(more, 5)}")
    if less := sorted(expected.keys() - tensors.keys()):
        raise ValueError(f"the weights in {path} lack what a plain ViT has: {few(less, 5)}")
    other = [name for name, shape in expected.items() if tensors[name] != shape]
    if other:
        mismatches = [f"{name} is {_dims(tensors[name])} (expected {_dims(expected[name])})" for name in other]
        raise ValueError(f"the weights in {path} are not those of one plain ViT by their shapes: {few(mismatches, 3)}")


def _dims(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"
