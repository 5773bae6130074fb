"""Which images of a data set a suite asks for: some of its classes, a few images of each, a validation part of its own.

`count` says what that comes to, from numbers alone, for plans; `select` chooses the images, for workers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.data.settings import DataError, DataSettings
from bench.data.stratify import shares, stratified_fraction
from bench.data.survey import Survey
from bench.words import few

if TYPE_CHECKING:
    from torch import Tensor

Pieces = list[tuple[str, "Tensor"]]  # (part of the source, positions of images in it)


@dataclass(frozen=True)
class Selection:
    """What is used of a data set.

    classes:    their positions in the source's list, in the order of labels; None: all.
    names:      their names.
    counts:     images in train, val and test.
    train:      training images per class.
    identity:   what identities have to say of it beside classes and counts; empty where everything is used.
    """

    classes: tuple[int, ...] | None
    names: tuple[str, ...]
    counts: dict[str, int]
    train: tuple[int, ...]
    identity: dict[str, Any]


def count(settings: DataSettings, survey: Survey) -> Selection:
    """How many images of which classes `settings` ask for. Raises DataError, with counts, for what is not there."""
    classes = _positions(settings, survey.classes)
    chosen = range(len(survey.classes)) if classes is None else classes
    names = tuple(survey.classes[c] for c in chosen)
    per_class = {part: _of(survey, part, chosen) for part in ("train", "val", "test") if part in survey.sizes}
    sizes = {
        part: survey.sizes[part] if classes is None else sum(_known(settings, part, numbers))
        for part, numbers in per_class.items()
    }
    train, rest = list(_known(settings, "train", per_class["train"])), 0
    identity: dict[str, Any] = {}
    if settings.val_images is not None:
        source = "val" if "val" in sizes else "train"
        there = _known(settings, source, per_class[source])
        taken = _validation(settings, names, there)
        identity["val_images"] = settings.val_images
        rest += sizes["val"] - settings.val_images if source == "val" else 0
        sizes["val"] = settings.val_images
        if source == "train":
            train = [n - k for n, k in zip(train, taken, strict=True)]
            if emptied := [name for name, n in zip(names, train, strict=True) if n < 1]:
                raise DataError(
                    f"{settings.name}: val_images: {settings.val_images} leave no training image of {few(emptied, 3)}; "
                    "expected fewer"
                )
    elif "val" not in sizes:
        single = [name for name, n in zip(names, train, strict=True) if n < 2]
        if single:
            raise DataError(
                f"{settings.name} has no validation part, and none can be cut from train: it has fewer than two images "
                f"of {few(single, 3)}"
            )
        taken = shares(train, settings.val_fraction)
        sizes["val"] = sum(taken)
        if settings.per_class is not None:
            train = [n - k for n, k in zip(train, taken, strict=True)]
    if settings.per_class is not None:
        lacking = [f"{n} of {name!r}" for name, n in zip(names, train, strict=True) if n < settings.per_class]
        if lacking:
            asked = f"per_class: {settings.per_class} training images of each class"
            raise DataError(f"{settings.name}: {asked}, but there are {few(lacking, 3)}")
        identity["per_class"] = settings.per_class
        rest += sum(train) - settings.per_class * len(names)
        train = [settings.per_class] * len(names)
    if settings.rest == "test":
        identity["rest"] = "test"
        sizes["test"] += rest
    if classes is not None:
        identity["classes"] = list(classes)
    cut = "val" not in survey.sizes and settings.val_images is None
    in_train = sum(train) - (sizes["val"] if cut and settings.per_class is None else 0)
    counts = {"train": in_train, "val": sizes["val"], "test": sizes["test"]}
    return Selection(classes, names, counts, tuple(train), identity)


def select(settings: DataSettings, labels: Mapping[str, Tensor], selection: Selection, seed: int) -> dict[str, Pieces]:
    """The images of train, val and test, as positions in the parts of the source.

    labels: of the source's parts, int64 [n] each. seed: training images are drawn anew for each; those of a smaller
    `per_class` are among those of a larger one. The validation part is the same for all seeds and any `per_class`.
    """
    import torch

    positions = {part: _of_classes(values, selection.classes) for part, values in labels.items()}
    left_of_val = torch.zeros(0, dtype=torch.int64)
    train = positions["train"]
    if settings.val_images is not None or "val" not in positions:
        source = "val" if "val" in positions else "train"
        fraction = settings.val_fraction
        if settings.val_images is not None:
            fraction = settings.val_images / len(positions[source])
        chosen_labels = _relabelled(labels[source], positions[source], selection)
        exact = settings.val_images is not None
        chosen = positions[source][stratified_fraction(chosen_labels, fraction, 0, exact_sum=exact)]
        left = positions[source][~torch.isin(positions[source], chosen)]
        val: Pieces = [(source, chosen)]
        if source == "train":
            train = left
        else:
            left_of_val = left
    else:
        val = [("val", positions["val"])]
    rest: Pieces = [("val", left_of_val)] if len(left_of_val) else []
    if settings.per_class is not None:
        drawn = _draw(_relabelled(labels["train"], train, selection), train, settings.per_class, seed)
        rest.append(("train", train[~torch.isin(train, drawn)]))
        train = drawn
    test: Pieces = [("test", positions["test"])]
    return {"train": [("train", train)], "val": val, "test": test + (rest if settings.rest == "test" else [])}


def _positions(settings: DataSettings, names: Sequence[str]) -> tuple[int, ...] | None:
    """The classes that are asked for, by name or position. A name is found in whichever way its accents are written:
    folders of a Mac have them as signs of their own, which nobody can see."""
    if settings.classes is None:
        return None
    positions = {_composed(name): place for place, name in enumerate(names)}
    positions |= {name: place for place, name in enumerate(names)}
    chosen: list[int] = []
    for wish in settings.classes:
        if isinstance(wish, str):
            place = positions.get(wish, positions.get(_composed(wish)))
        else:
            place = wish if 0 <= wish < len(names) else None
        if place is None:
            valid = f"{len(names)} classes: {few(list(names), 10)}; positions 0 to {len(names) - 1}"
            raise DataError(f"{settings.name}: classes: no class {wish!r} (there are {valid})")
        if place in chosen:
            of = f"expected each of its {len(names)} classes once, by name or position"
            raise DataError(f"{settings.name}: classes: {names[place]!r} is asked for twice; {of}")
        chosen.append(place)
    if len(chosen) < 2:
        raise DataError(f"{settings.name}: classes: expected at least 2 of {len(names)} classes, found {len(chosen)}")
    return tuple(chosen)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _of(survey: Survey, part: str, chosen: Sequence[int]) -> list[int] | None:
    numbers = survey.per_class.get(part)
    return None if numbers is None else [numbers[c] for c in chosen]


def _known(settings: DataSettings, part: str, numbers: list[int] | None) -> list[int]:
    if numbers is None:
        what = f"how many images each class has in {part} is not known of {settings.name} before it is read"
        raise DataError(f"{what}; prepare it (bench prepare) or leave classes and val_images out")
    return numbers


def _validation(settings: DataSettings, names: Sequence[str], there: Sequence[int]) -> list[int]:
    """How many of each class go to a validation part of `val_images`."""
    wish = settings.val_images or 0
    if not len(names) <= wish < sum(there):
        available = f"{sum(there)} images of {len(names)} classes"
        raise DataError(
            f"{settings.name}: val_images: expected one a class and fewer than all of {available}, found {wish}"
        )
    return shares(there, wish / sum(there), exact_sum=True)


def _of_classes(labels: Tensor, classes: tuple[int, ...] | None) -> Tensor:
    """Positions, ascending, of images of these classes."""
    import torch

    if classes is None:
        return torch.arange(len(labels))
    return torch.isin(labels, torch.tensor(classes)).nonzero()[:, 0]


def relabel(labels: Tensor, selection: Selection) -> Tensor:
    """The source's labels as labels of the selection; all of them must be of its classes."""
    import torch

    if selection.classes is None:
        return labels
    table = torch.full((max(selection.classes) + 1,), -1, dtype=torch.int64)
    table[list(selection.classes)] = torch.arange(len(selection.classes))
    return table[labels]


def _relabelled(labels: Tensor, positions: Tensor, selection: Selection) -> Tensor:
    return relabel(labels[positions], selection)


def _draw(labels: Tensor, positions: Tensor, per_class: int, seed: int) -> Tensor:
    """`per_class` positions of each class, ascending; an image is drawn by its position and the seed."""
    import torch

    from bench.randomness import derive_seed, uniform

    ranks = uniform(derive_seed(seed, "per_class"), 0, positions, 1)[:, 0]
    chosen = [
        positions[labels == label][ranks[labels == label].argsort(stable=True)[:per_class]] for label in labels.unique()
    ]
    return torch.cat(chosen).sort().values
