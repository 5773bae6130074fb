"""The harness as a library: suites, and a Lab over images in memory for methods, in a notebook. See docs/library.md."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from bench.data import Dataset, DataSettings, Description
from bench.data.memory import TensorSplit
from bench.launch.devices import why_none
from bench.notebook import frame, plan, run
from bench.recipes.recipe import Recipe
from bench.store.nowhere import Nowhere
from bench.train.cost import Cost, total
from bench.train.lab import JobLab
from bench.train.session import Session
from bench.worker.process import choose_device
from methods.vit import VitSpec, spec_of

if TYPE_CHECKING:
    from bench.export.start import Start

__all__ = ["Lab", "frame", "lab", "plan", "run", "start"]

Labelled = tuple[Any, Any]  # images [n, channels, size, size] and labels [n], tensors or arrays


def lab(
    train: Labelled,
    val: Labelled,
    *,
    teacher: nn.Module | None = None,
    targets: Sequence[VitSpec] | None = None,
    recipe: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    device: torch.device | str | None = None,
    seed: int = 0,
) -> Lab:
    """A Lab that trains on `train` and validates on `val`, held in memory; nothing is written anywhere.

    train, val: images and labels. Images of a float type are what models see, uint8 ones are normalised here.
    teacher: what `kd` distils from, a copy of it as it is when it is first asked for.
    targets: the sizes that a learngene has to serve; default: that of the teacher.
    recipe: of what methods train, as `train:` of a suite, such as {"epochs": 5, "batch_size": 64}.
    classes: their names in label order; a head transfers only between equal ones. Default: "0", "1", ...
    mean, std: per channel, of values in 0..1, that images are, or were, normalised by; default 0 and 1.
    device: default: a GPU; where there is none the CPU, with a warning that says why ("cpu" says that it is meant).
    Raises ValueError for images or labels that cannot be trained on, BenchError for a GPU that torch cannot use.
    """
    on = torch.device(device) if device is not None else _device()
    data = _dataset(train, val, classes, mean, std, on)
    if targets is None:
        targets = [spec_of(teacher)] if teacher is not None else []
    return Lab(data, on, teacher, targets, Recipe().merged(dict(recipe or {})), seed)


def start(
    method: str,
    *,
    source: str | Sequence[str] = (),
    to: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    results: str | Path = "results",
    **wishes: Any,
) -> Start:
    """A target with its starting weights, as `bench init` makes it: `.model`, `.save(FOLDER)`, `.suite`.

    source:  the ancestor, or several: `timm:NAME`, a file of weights, a folder of `bench export`.
    to:      the target's size, such as {"depth": 6}; what is left out is the ancestor's.
    options: of the method. results: where methods that train leave their jobs; others write nothing.
    wishes:  `learngene`, `classes`, `img_size`, `dataset`, `heads`, `seed` (see `bench.export.wish.Wish`).
    Raises UsageError or SuiteError for what cannot be, BenchError for what fails.
    """
    # not above: a Lab needs none of it
    from bench.export.start import make
    from bench.export.wish import Wish

    if wishes.get("learngene") is not None:
        wishes["learngene"] = Path(wishes["learngene"])
    sources = (source,) if isinstance(source, str) else tuple(source)
    return make(Wish(method, sources, to or {}, options or {}, **wishes), results=Path(results))


class Lab(JobLab):
    """Implements `methods.Lab` by the harness's own training loop and accounting. Used for as many learngenes and
    targets as one likes: what has the name of an earlier training is charged beside it, and repeats its draws."""

    def __init__(
        self,
        data: Dataset,
        device: torch.device,
        teacher: nn.Module | None,
        targets: Sequence[VitSpec],
        recipe: Recipe,
        seed: int,
    ) -> None:
        session = Session(Nowhere(), device, checkpoint_seconds=float("inf"))
        load = (lambda: copy.deepcopy(teacher)) if teacher is not None else None
        super().__init__(session, data, seed=seed, recipe=recipe, targets=targets, load_teacher=load)

    @property
    def costs(self) -> dict[str, Cost]:
        """What was charged, by name: images, FLOPs, seconds."""
        return dict(self.session.costs)

    @property
    def cost(self) -> Cost:
        """All that was charged."""
        return total(self.session.costs)

    def fit(self, module: nn.Module, *, name: str, recipe: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """See `methods.Lab.fit`; a name may come again."""
        costs = self.session.costs
        if name in costs:
            number = next(i for i in range(1, len(costs) + 2) if f"{name} ({i})" not in costs)
            costs[f"{name} ({number})"] = costs.pop(name)
        try:
            return super().fit(module, name=name, recipe=recipe, **options)
        finally:
            self.session.done.pop(name, None)  # kept for a job that resumes


def _device() -> torch.device:
    chosen = choose_device("auto")
    if chosen == "cpu":
        warnings.warn(f"this Lab computes on the CPU: {why_none()}; device='cpu' says that it is meant", stacklevel=3)
    return torch.device(chosen)


def _dataset(
    train: Labelled,
    val: Labelled,
    classes: Sequence[str] | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    device: torch.device,
) -> Dataset:
    parts = {"train": _checked("train", *train), "val": _checked("val", *val)}
    images, labels = parts["train"]
    shape = tuple(images.shape[1:])
    if tuple(parts["val"][0].shape[1:]) != shape:
        raise ValueError(
            f"images are {shape} in train and {tuple(parts['val'][0].shape[1:])} in val; expected one size"
        )
    highest = max(int(labels.max()) for _, labels in parts.values())
    names = tuple(map(str, range(highest + 1))) if classes is None else tuple(classes)
    if highest >= len(names):
        raise ValueError(f"a label is {highest}; expected labels from 0 to {len(names) - 1}, as there are classes")
    channels, size = shape[0], shape[1]
    normalised = tuple(mean or (0.0,) * channels), tuple(std or (1.0,) * channels)
    settings = DataSettings.model_validate(
        {
            "name": "memory", "source": "folder", "img_size": size, "in_chans": channels, "mean": normalised[0],
            "std": normalised[1], "in_memory": True,
        }
    )  # fmt: skip
    as_seen = settings.model_copy(update={"mean": (0.0,) * channels, "std": (1.0,) * channels})
    splits = {
        part: TensorSplit(pixels, labels, settings, device)
        if pixels.dtype == torch.uint8
        else TensorSplit(pixels.float(), labels, as_seen, device, white=1)
        for part, (pixels, labels) in parts.items()
    }
    counts = {"train": splits["train"].n, "val": splits["val"].n, "test": splits["val"].n}
    description = Description("memory", names, counts, size, channels, {"name": "memory", "counts": counts})
    return Dataset(splits["train"], splits["val"], splits["val"], description, settings)


def _checked(part: str, images: Any, labels: Any) -> tuple[Tensor, Tensor]:
    """Tensors of one part. Raises ValueError saying what does not fit."""
    pixels, numbers = torch.as_tensor(images), torch.as_tensor(labels)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or pixels.shape[2] != pixels.shape[3]:
        expected = "expected [n, channels, size, size] with 1 or 3 channels"
        raise ValueError(f"the images of {part} are {list(pixels.shape)}; {expected}")
    if pixels.dtype != torch.uint8 and not pixels.is_floating_point():
        raise ValueError(f"the images of {part} are {pixels.dtype}; expected uint8, or floats as models see them")
    if numbers.ndim != 1 or len(numbers) != len(pixels) or numbers.is_floating_point() or not len(numbers):
        expected = "expected a whole number for each image"
        raise ValueError(
            f"{part} has {len(pixels)} images and labels {list(numbers.shape)} of {numbers.dtype}; {expected}"
        )
    if int(numbers.min()) < 0:
        raise ValueError(f"a label of {part} is {int(numbers.min())}; expected labels from 0")
    return pixels, numbers.long()
