"""Ancestors from elsewhere: weights that timm offers, or that a checkpoint file holds.

Whether a head's classes are the data set's. A head of another number of classes is replaced by a fresh one. One of the
same number is kept, and its classes are taken for the data set's, so that it may transfer, in three cases only: the
file is of this project and names the same ordered classes; the weights are timm's for ImageNet and the data set's class
names are timm's list of ImageNet synsets in order; or the suite says `classes: same`. What is trained here, on the data
set, has its classes anyway.
"""

from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
import torch
from timm.data import ImageNetInfo, infer_imagenet_subset
from timm.models import get_pretrained_cfg, load_state_dict
from timm.task.distillation import DistillationTeacher
from torch import Tensor, nn

from bench.data import Dataset
from bench.jobs.inputs import WeightsInput
from bench.jobs.parts.context import Context
from bench.jobs.parts.conversions import convert
from bench.randomness import seed_all
from bench.suite.ancestor_source import content_hash, own_facts
from bench.suite.timm_models import lookup
from bench.train import flops
from bench.words import few
from methods.base import HEAD, fill
from methods.parts.weights import named_as_in
from methods.vit import VitSpec


@dataclass
class Fetched:
    """Weights from elsewhere. classes: of their head, 0 without one; known: whether these are the data set's."""

    state: dict[str, Tensor]
    classes: int
    known: bool
    normalised: tuple[Any, Any] | None = None  # mean and std of their images
    model: Any = None  # timm's, with attributes that torch's types do not know
    facts: dict[str, Any] = field(default_factory=dict)


def fetch(context: Context, weights: WeightsInput, spec: VitSpec) -> tuple[nn.Module, dict[str, Any]]:
    """The model that an ancestor's job describes, and what its result says of it.

    A plain ViT comes out as one, of size `spec`; another classifier as timm builds it (`timm_model` in the result).
    Raises ValueError saying what does not fit.
    """
    file = read(weights.path, weights.checkpoint) if weights.path and weights.checkpoint else None
    seed_all(context.job.seed, "source")
    fetched = (
        from_timm(weights, context.data, file, spec) if weights.timm else from_file(weights, context.data, file or {})
    )
    fetched.known = fetched.classes == spec.num_classes and (fetched.known or weights.same_classes)
    keeps_head = fetched.classes == spec.num_classes
    if weights.same_classes and not keeps_head:
        raise ValueError(f"classes: same, but the head has {fetched.classes} classes, the data {spec.num_classes}")
    facts: dict[str, Any] = {"head": "kept" if keeps_head else "fresh"}
    facts["classes"] = context.data.class_id if fetched.known else None
    facts["source"] = fetched.facts | {"classes": fetched.classes, "normalised": fetched.normalised}
    if weights.timm and lookup(weights.timm).vit is None:
        return as_it_is(context, fetched, keeps_head, facts)
    return plain_vit(context, fetched, weights.convert, spec, keeps_head), facts


def read(path: str, hash: str) -> dict[str, Tensor]:
    """The tensors of a checkpoint: safetensors, or what torch reads without executing code, bare or under `state_dict`
    or `model`."""
    if content_hash(Path(path), Path(path).stat().st_mtime_ns) != hash:
        raise ValueError(f"{path} has changed since this job was planned; run the suite again")
    try:
        state = load_state_dict(path, use_ema=False, weights_only=True)  # older timm: False
    except (UnpicklingError, RuntimeError, KeyError, EOFError, OSError) as error:
        raise ValueError(f"{path} cannot be read as weights: {type(error).__name__}: {first_line(error)}") from None
    if not state or not all(isinstance(t, Tensor) for t in state.values()):
        raise ValueError(f"{path} holds no weights; expected name -> tensor, bare or under 'model' or 'state_dict'")
    if broken := [name for name, t in state.items() if t.is_floating_point() and not t.isfinite().all()]:
        raise ValueError(f"{path} has numbers that are not finite in {few(broken, 3)}; expected trained weights")
    return state


def from_timm(weights: WeightsInput, data: Dataset, file: dict[str, Tensor] | None, spec: VitSpec) -> Fetched:
    """A timm model with timm's weights, with those of a file, or untrained; a ViT for images of that size."""
    name = weights.timm
    assert name is not None
    config: Any = get_pretrained_cfg(name)  # not None: the suite was checked for names that timm has
    options: dict[str, Any] = {"pretrained": weights.pretrained}
    classes = config.num_classes if weights.pretrained else 0
    if file is not None:
        first = config.classifier if isinstance(config.classifier, str) else config.classifier[0]
        classes = len(file.get(f"{first}.weight", ()))
        overlay = {"state_dict": file, "num_classes": classes, "custom_load": False, "label_offset": 0}
        options = {"pretrained": True, "num_classes": classes, "pretrained_cfg_overlay": overlay}
    if lookup(name).vit is not None:
        options["img_size"] = spec.img_size  # timm interpolates the positions, once, from the grid they are for
    try:
        model = timm.create_model(name, **options)  # with its own classes, so that every tensor has to fit
    except (RuntimeError, OSError) as error:
        what = f"{name} could not be loaded"
        if file is None:  # the hub's errors run over many lines
            hint = "timm fetches it once, with access to the network; or name a file: {timm: NAME, checkpoint: FILE}"
            raise ValueError(f"{what} ({type(error).__name__}: {first_line(error)}); {hint}") from None
        raise ValueError(f"{what} from the checkpoint: {error}") from None
    if file and "pos_embed" in file and "positions" not in weights.convert:
        have, want = (tuple(t.shape) for t in (file["pos_embed"], model.state_dict()["pos_embed"]))
        if have != want:
            raise ValueError(f"the positions are {have}, for these images {want}; convert: {{positions: interpolate}}")
    subset = infer_imagenet_subset(model) if weights.pretrained else None
    known = subset is not None and tuple(ImageNetInfo(subset).label_names()) == data.classes
    facts = {"timm": name, "timm_version": timm.__version__}
    return Fetched(model.state_dict(), classes, known, (config.mean, config.std), model, facts)


def from_file(weights: WeightsInput, data: Dataset, file: dict[str, Tensor]) -> Fetched:
    facts = own_facts(weights.path) if weights.path else None
    known = facts is not None and facts["classes"] == data.class_id
    return Fetched(file, len(file.get("head.weight", ())), known)


def plain_vit(context: Context, fetched: Fetched, wishes: dict[str, str], spec: VitSpec, keeps_head: bool) -> nn.Module:
    """A plain ViT with the weights fetched, every one accounted for."""
    images = context.data.mean, context.data.std
    state = convert(fetched.state, wishes, spec, normalised=fetched.normalised, images=images)
    if fetched.normalised and "normalisation" not in wishes and not same(fetched.normalised, images):
        message = f"these weights saw images normalised by {fetched.normalised}, here they see {images}"
        context.session.log("warning", message=f"{message}; convert: {{normalisation: fold}} makes up for it")
    model = context.fresh(spec)
    names = {name: named_as_in(name, state) for name in model.state_dict() if keeps_head or name not in HEAD}
    left = sorted(set(state) - set(names.values()) - set(HEAD))
    if left:
        raise ValueError(f"the weights hold what a plain ViT has not: {', '.join(left[:5])}")
    try:
        fill(
            model,
            {name: state[source] for name, source in names.items() if source in state},
            () if keeps_head else HEAD,
        )
    except ValueError as error:
        first, *others = str(error).split("; ")
        more = f" and {len(others)} more tensors" if others else ""
        raise ValueError(f"the weights do not fit a ViT of the size given: {first}{more}") from None
    return model


def as_it_is(
    context: Context, fetched: Fetched, keeps_head: bool, facts: dict[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """Another classifier, to distil from. It goes on seeing images as it was trained on them."""
    model, data = fetched.model, context.data
    assert model is not None and fetched.normalised is not None
    if len(fetched.normalised[0]) != data.settings.in_chans:
        raise ValueError(f"{fetched.facts['timm']} takes 3 channels; give the data set in_chans: 3")
    if not keeps_head:
        model.reset_classifier(len(data.classes))
    model = model.to(context.session.device).eval()
    images = torch.zeros(1, data.settings.in_chans, data.settings.img_size, data.settings.img_size)
    try:
        cost = flops.forward(model, images)
    except (RuntimeError, AssertionError) as error:
        size = f"{data.settings.img_size} pixels"
        raise ValueError(f"{fetched.facts['timm']} cannot take images of {size}: {first_line(error)}") from None
    mean, std = fetched.normalised
    facts |= {"num_classes": len(data.classes), "in_chans": data.settings.in_chans, "forward_flops": cost}
    return model, facts | {"timm_model": fetched.facts["timm"], "normalise": {"mean": mean, "std": std}}


def as_trained(model: nn.Module, facts: dict[str, Any], data: Dataset, *, trained_here: bool) -> nn.Module:
    """What to evaluate of a timm classifier; it sees images as the data set has them once it was trained on them."""
    if trained_here:
        facts["normalise"] = {"mean": data.mean, "std": data.std}
    model.pretrained_cfg = model.pretrained_cfg | facts["normalise"]
    return AsTrained(model, data).to(next(model.parameters()).device)


class AsTrained(nn.Module):
    """A classifier that sees images as it was trained on them, given images as the data set normalises them."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, data: Dataset) -> None:
        super().__init__()
        self.teacher = DistillationTeacher(model)
        for name, value in (("mean", data.mean), ("std", data.std)):
            self.register_buffer(name, torch.tensor(value).view(1, -1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.teacher(self.teacher.normalize_input(images, self.mean, self.std))


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def same(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return torch.allclose(torch.tensor(one), torch.tensor(other), atol=1e-3)
