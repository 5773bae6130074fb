"""A model as timm's `save_for_hf` writes it: `timm.create_model("local-dir:FOLDER", pretrained=True)` loads it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf
from torch import nn

from bench.data.settings import DataSettings
from bench.errors import BenchError
from bench.suite.ancestor_source import META_KEY
from methods.vit import VitSpec, spec_of

ARCHITECTURE = "vit_tiny_patch16_224"  # timm's name for a VisionTransformer whose every size is said beside it
WEIGHTS = "model.safetensors"
IMAGES = 2  # that logits are compared on


def write(
    folder: Path, model: nn.Module, images: DataSettings, classes: Sequence[str] | None, class_id: str | None
) -> None:
    """Write the weights and `config.json` of a plain ViT, or of a model that timm built, into a folder.

    images: how they are prepared. classes: their names in the order of the head, where they are known. class_id: their
    identity, which goes with the weights of a plain ViT, so that the file can be the checkpoint of a suite.
    """
    spec = size_of(model)
    arguments: dict[str, Any] = dict(vars(spec)) if spec else {"num_classes": _timm(model).num_classes}
    config = {
        **({} if spec else _timm(model).pretrained_cfg),
        "input_size": (images.in_chans, images.img_size, images.img_size),
        "num_classes": arguments["num_classes"],
        **{name: getattr(images, name) for name in ("mean", "std", "crop_pct", "interpolation")},
        "crop_mode": "center",
        **dict.fromkeys(("pool_size", "test_input_size", "test_crop_pct", "min_input_size")),  # were for other images
    }
    if spec:
        config |= {"architecture": ARCHITECTURE, "first_conv": "patch_embed.proj", "classifier": "head"}
        config |= {"fixed_input_size": True}
        with torch.device("meta"):
            rebuilt: Any = timm.create_model(ARCHITECTURE, **arguments, weight_init="skip")  # as build_vit does there
        rebuilt.load_state_dict(model.state_dict(), assign=True)
    else:
        rebuilt = model
        arguments["in_chans"] = images.in_chans
    config_before, rebuilt.pretrained_cfg = getattr(rebuilt, "pretrained_cfg", None), config
    labels = {"label_names": list(classes)} if classes is not None else {}
    save_for_hf(rebuilt, str(folder), model_config=labels, model_args=arguments, safe_serialization=True)
    rebuilt.pretrained_cfg = config_before
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    described = {META_KEY: json.dumps({"spec": dataclasses.asdict(spec), "classes": class_id})} if spec else None
    save_file(tensors, str(folder / WEIGHTS), metadata=described)  # one key: several come in any order


def size_of(model: nn.Module) -> VitSpec | None:
    """The size of a plain ViT, which `VitSpec` describes in full; None for what timm knows by a name of its own."""
    if getattr(model, "pretrained_cfg", None) and getattr(model, "default_cfg", None):
        return None
    return spec_of(model)


def _timm(model: nn.Module) -> Any:
    return model  # torch's types call every attribute of a module a tensor or a module


def loaded(folder: Path, model: nn.Module) -> nn.Module:
    """The model that timm loads from a folder. Raises BenchError unless it has the weights of `model` bit for bit, and
    the same logits on a few random images, on the CPU."""
    again: Any = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    weights = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    state = again.state_dict()
    different = [name for name in weights.keys() | state.keys() if not _equal(weights.get(name), state.get(name))]
    if different:
        raise BenchError(f"timm loads other weights than were written: {', '.join(sorted(different)[:3])}")
    size = again.pretrained_cfg["input_size"]
    images = torch.randn(IMAGES, *size, generator=torch.Generator().manual_seed(0))
    device, training = next(model.parameters()).device, model.training
    with torch.inference_mode():
        same = torch.equal(model.cpu().eval()(images), again(images))
    model.to(device).train(training)
    if not same:
        raise BenchError("the model that timm loads has the same weights and other logits; expected the same")
    return again


def _equal(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    return one is not None and other is not None and one.dtype == other.dtype and torch.equal(one, other)


def lines(folder: str | Path) -> str:
    """What to paste into Python, where the folder is called so."""
    where = json.dumps(f"local-dir:{folder}", ensure_ascii=False)
    return (
        "import timm\n\n"
        f"model = timm.create_model({where}, pretrained=True).eval()\n"
        "transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))  # for PIL images"
    )
