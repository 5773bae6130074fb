"""What timm's models are, told without importing timm, which brings torch: from a table that was made with it.

`python -m bench.suite.timm_models` makes the table anew, in a minute; the tests hold it against the installed timm.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.models import spec_settings
from bench.words import did_you_mean
from methods.vit import VitSpec, build_vit, spec_of

TABLE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class TimmModel:
    """A model of timm.

    name:           architecture and, where there are pretrained weights, their tag: `deit_tiny_patch16_224.fb_in1k`.
    classes:        of the pretrained weights; 0: no classifier; None: no weights.
    vit:            size of what is a plain VisionTransformer but for the two points below; None: another architecture.
    layer_scale:    its residual branches are multiplied by learned vectors.
    class_position: its class token, if it has one, has a position embedding.
    """

    name: str
    classes: int | None
    vit: VitSpec | None
    layer_scale: bool = False
    class_position: bool = True


def lookup(name: str) -> TimmModel:
    """The model called `name`, with or without the tag of its weights. Raises ValueError for what timm has not."""
    architecture, _, tag = name.partition(".")
    entry = _entry(architecture)
    tags = entry["classes"]
    if tag and tag not in tags:
        raise ValueError(f"timm has no weights {tag!r} of {architecture} (tags: {', '.join(tags) or 'none'})")
    tag = tag or next(iter(tags), "")
    vit = VitSpec(**entry["vit"]) if "vit" in entry else None
    traits = {key: entry[key] for key in ("layer_scale", "class_position") if key in entry}
    return TimmModel(f"{architecture}.{tag}" if tag else architecture, tags.get(tag), vit, **traits)


def _entry(architecture: str) -> dict[str, Any]:
    table = _table()
    if architecture in table["models"]:
        return table["models"][architecture]
    if version("timm") != table["timm"]:  # another timm may have more
        import timm

        if timm.is_model(architecture):
            return describe(architecture)
    hint = did_you_mean(architecture, table["models"]) or "; timm.list_models() lists them"
    raise ValueError(f"timm has no model {architecture!r}{hint}")


@cache
def _table() -> dict[str, Any]:
    return json.loads(TABLE.read_text())


def describe(architecture: str) -> dict[str, Any]:
    """The table's entry of a model, from timm itself. A model that is no VisionTransformer is not built."""
    import timm
    import torch
    from timm.models import get_pretrained_cfg, is_model_in_modules, list_pretrained
    from timm.models.vision_transformer import Block, VisionTransformer

    default: Any = get_pretrained_cfg(architecture)  # not None, as for all names that timm lists
    names = sorted(list_pretrained(f"{architecture}.*"), key=lambda name: name != f"{architecture}.{default.tag}")
    configs: dict[str, Any] = {name: get_pretrained_cfg(name) for name in names}
    classes = {name.partition(".")[2]: config.num_classes for name, config in configs.items()}
    entry: dict[str, Any] = {"classes": classes}
    if not is_model_in_modules(architecture, ["vision_transformer", "deit"]):
        return entry
    with torch.device("meta"):
        model = timm.create_model(architecture, num_classes=1000, weight_init="skip")  # as build_vit does there
        if type(model) is not VisionTransformer or type(model.blocks[0]) is not Block:
            return entry
        try:
            spec = spec_of(model)
        except (TypeError, ValueError):
            return entry
        layer_scale = not isinstance(model.blocks[0].ls1, torch.nn.Identity)
        arguments = {"init_values": 1.0 if layer_scale else None, "no_embed_class": model.no_embed_class}
        plain = build_vit(spec, **arguments)
    if str(plain) != str(model) or _shapes(plain) != _shapes(model):
        return entry
    entry["vit"] = spec_settings(spec)
    entry |= {"layer_scale": True} if layer_scale else {}
    return entry | ({"class_position": False} if model.no_embed_class else {})


def _shapes(model: Any) -> dict[str, Any]:
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def main() -> None:
    """Write the table."""
    import timm

    models = {name: describe(name) for name in timm.list_models()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in models.items())
    TABLE.write_text(f'{{"timm": "{timm.__version__}", "models": {{\n{lines}\n}}}}\n')


if __name__ == "__main__":
    main()
