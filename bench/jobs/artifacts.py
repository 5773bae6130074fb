"""The files that jobs leave for others."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from methods.vit import VitSpec, build_vit

ANCESTOR_FILE = "weights.safetensors"
LEARNGENE_FILE = "learngene.safetensors"
START_FILE = "start.safetensors"
WEIGHTS_FILE = "weights.safetensors"


class ArtifactDamaged(Exception):
    """A result that this job depends on is missing or altered; it has to be made again."""

    def __init__(self, kind: str, id: str, trouble: str) -> None:
        self.kind, self.id = kind, id
        super().__init__(f"{kind} {id}: {trouble}")


def save_model(model: nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: t.detach().cpu().contiguous().clone() for name, t in model.state_dict().items()}, str(path))


def load_model(path: Path, result: dict[str, Any]) -> nn.Module:
    """The model that an ancestor's result describes, in evaluation mode."""
    if "timm_model" in result:
        import timm

        model = timm.create_model(result["timm_model"], num_classes=result["num_classes"], in_chans=result["in_chans"])
    else:
        model = build_vit(VitSpec(**result["spec"]))
    model.load_state_dict(load_file(str(path)))
    return model.eval()
