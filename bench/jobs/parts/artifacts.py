"""The files that jobs leave for others."""

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from bench.suite.ancestor_source import META_KEY
from bench.suite.timm_models import lookup
from methods.vit import VitSpec, build_vit


class ArtifactDamaged(Exception):
    """A result that this job depends on is missing or altered; it has to be made again."""

    def __init__(self, kind: str, id: str, trouble: str) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"{kind} {id}: {trouble}")


def save_model(model: nn.Module, path: Path, facts: dict[str, Any] | None = None) -> None:
    """Write the weights; `facts` (spec, classes) go with them, so that the file alone can be an ancestor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: t.detach().cpu().contiguous().clone() for name, t in model.state_dict().items()}
    save_file(tensors, str(path), metadata={META_KEY: json.dumps(facts, sort_keys=True)} if facts else None)


def load_model(path: Path, result: dict[str, Any]) -> nn.Module:
    """The model that an ancestor's result describes, in evaluation mode. ValueError where timm has none of its name."""
    if "timm_model" in result:
        import timm

        lookup(result["timm_model"])  # a name of timm's own: of a hub's models it would fetch the code that builds them
        model = timm.create_model(result["timm_model"], num_classes=result["num_classes"], in_chans=result["in_chans"])
        model.pretrained_cfg = model.pretrained_cfg | result["normalise"]  # read by what distils from it
    else:
        model = build_vit(VitSpec(**result["spec"]))
    model.load_state_dict(load_file(str(path)))
    return model.eval()
