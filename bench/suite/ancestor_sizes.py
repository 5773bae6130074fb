"""The size of an ancestor: the suite's, timm's or its file's, after the conversions asked for."""

from bench.suite.ancestor_source import own_size
from bench.suite.conversions import converted
from bench.suite.entries import AncestorEntry
from bench.suite.sizes import spec
from bench.suite.timm_models import TimmModel, lookup
from methods.vit import VitSpec


def ancestor_spec(entry: AncestorEntry, base: VitSpec, image: dict[str, int]) -> VitSpec:
    """The size of an ancestor; of one that is no ViT, `base`. Raises ValueError for an impossible one."""
    if not entry.is_vit:
        return base.replace(**image)
    if "timm" in entry.model:
        return converted(lookup(entry.model["timm"]), entry.convert, image)
    size, file = dict(entry.model), entry.model.get("checkpoint")
    if file is None:
        return spec(size, base, image)
    del size["checkpoint"]
    model = spec(size, own_size(file) or base, image)  # what else is in the file is seen when it is loaded
    return converted(TimmModel(file, None, model, "layer_scale" in entry.convert), entry.convert, image)
