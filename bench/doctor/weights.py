"""Ancestors from elsewhere: whether their weights are here, or where timm would fetch them."""

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlparse

from bench.doctor.finding import Finding
from bench.jobs.ancestor import AncestorJob
from bench.plan import Plan

HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # of timm's models, as timm looks for them


def weights(plan: Plan) -> Iterator[Finding]:
    for id in plan.jobs:
        ancestor = plan.description(id)
        source = ancestor.weights if isinstance(ancestor, AncestorJob) else None
        if source is None:
            continue
        if source.path is not None:
            yield Finding("weights", f"{id}: {source.path}")
        elif source.timm and source.pretrained:
            yield timm_weights(source.timm)


def timm_weights(name: str) -> Finding:
    """Looks into the caches that timm uses; asks nobody."""
    from huggingface_hub import constants, try_to_load_from_cache
    from timm.models import get_pretrained_cfg
    from torch.hub import get_dir

    config = get_pretrained_cfg(name)
    assert config is not None
    hub = config.hf_hub_id or ""
    files = [config.hf_hub_filename] if config.hf_hub_filename else HUB_FILES
    paths = [try_to_load_from_cache(hub, file) for file in files] if hub else []
    if isinstance(config.url, str) and config.url:
        path = Path(get_dir()) / "checkpoints" / os.path.basename(urlparse(config.url).path)
        paths.append(str(path) if path.is_file() else None)
    here = next((path for path in paths if isinstance(path, str)), None)
    if here:
        return Finding("weights", f"{name}: {here}")
    source = f"https://huggingface.co/{hub}" if hub else config.url
    if constants.HF_HUB_OFFLINE:
        how = f"unset HF_HUB_OFFLINE, or copy {constants.HF_HUB_CACHE} from a machine that has it"
        return Finding("weights", f"{name}: not here, and HF_HUB_OFFLINE is set", "missing", how)
    how = f"timm fetches it from {source}; where workers have no network: bench run SUITE --only of one run first"
    return Finding("weights", f"{name}: not in {constants.HF_HUB_CACHE}", "note", how)
