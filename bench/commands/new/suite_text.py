"""What `bench new suite` writes: sizes that fit the images, and a comment for whatever may be otherwise."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.doctor.images import ImagesLook

USUAL_SIZE = 224  # pixels; larger images are scaled down to it
SMALL = 96  # pixels; images up to it are held in memory, at small models
MEMORY = 5e8  # bytes
ENOUGH = 40_000  # images that an ancestor is trained on, with repetitions: epochs are chosen so


@dataclass(frozen=True)
class Shape:
    """What models see of the images. whole: nothing is cropped or scaled."""

    img_size: int
    patch_size: int
    whole: bool


def shape_of(sizes: Sequence[tuple[int, int]]) -> Shape:
    """The size that models see, and a patch size that divides it into some 7 to 14 patches a side.

    sizes: width and height of each image.
    """
    short = sorted(min(size) for size in sizes)
    side = short[len(short) // 2]
    size = min(side, USUAL_SIZE)
    patch = patch_for(size)
    while patch is None:  # prime, or nearly
        size -= 1
        patch = patch_for(size)
    return Shape(size, patch, whole=set(sizes) == {(size, size)})


def patch_for(size: int) -> int | None:
    """The smallest patch that makes 2 to 8 patches a side, 14 where images are large; None where there is none."""
    most, fewest = (14, 7) if size > SMALL else (8, min(4, size))
    return next((p for p in range(1, size + 1) if size % p == 0 and fewest <= size // p <= most), None)


def suite_text(
    name: str,
    root: Path,
    out: Path,
    layout: dict[str, dict[str, object]],
    counts: Mapping[str, int],
    classes: int,
    images: ImagesLook,
    trained_on: ImagesLook,
    about: Sequence[str],
) -> str:
    """The suite, with a comment for whatever may be otherwise."""
    sizes = list(images.sizes.elements())
    shape = shape_of(sizes)
    mean, std = trained_on.statistics()
    mean, std = (mean * 3, std * 3) if len(mean) == 1 and not images.grey else (mean, std)
    channels = 1 if images.grey else 3
    small = shape.img_size <= SMALL
    in_memory = small and sum(counts.values()) * channels * shape.img_size**2 <= MEMORY
    size_note = (
        "as the images are"
        if shape.whole
        else "what images are scaled and cropped to; " + f"they are {about[2].split(' (')[0]}"
    )
    lines = [
        f"# python -m bench run {out.name}",
        "#",
        f"# Made by bench new suite {root}:",
        *(f"#   {line}" for line in about),
        "# Every value here may be changed; docs/data.md and docs/suites.md say what else there is.",
        f"name: {name}",
        "dataset:",
        f"  name: {name}",
        "  source: folder",
        f"  root: {quoted(relative(root, out))}",
    ]
    if "splits" in layout:
        lines.append(f"  splits: {flow(layout['splits'])}")
    if "split" in layout:
        lines.append(f"  split: {flow(layout['split'])} # of each class; the seed and the names of images draw them")
    elif "val" not in layout["splits"]:
        lines.append("  val_fraction: 0.1 # of train, for validation")
    lines += [
        f"  img_size: {shape.img_size} # {size_note}",
        f"  in_chans: {channels} # {'grey' if channels == 1 else 'colour'}",
        f"  num_classes: {classes}",
        f"  mean: {flow(mean)} # measured on {sum(trained_on.sizes.values()):,} training images, of values in 0..1",
        f"  std: {flow(std)}",
    ]
    if shape.whole or small:
        lines.append("  crop_pct: 1.0 # the whole image is seen")
    if in_memory:
        lines.append("  in_memory: true # decoded once")
    width, heads, depth = (64, 2, 6) if small else (192, 3, 12)
    batch = 32 if counts["train"] < 5000 else 128
    epochs = min(max(ENOUGH // counts["train"], 20), 80)
    lines += [
        "ancestor: # trained here; docs/checkpoints.md says how to bring your own",
        f"  model: {{embed_dim: {width}, depth: {depth}, num_heads: {heads}, patch_size: {shape.patch_size}}}",
        f"  train: {{epochs: {epochs}, batch_size: {batch}, lr: 1.0e-3, warmup_epochs: 2}}",
        "targets: # every list is an axis",
        f"  - {{embed_dim: {width}, num_heads: {heads}, depth: {[depth // 3, depth * 2 // 3]}}}",
        "methods: # python -m bench methods lists them",
        "  random: {}",
        "  weight_selection: {}",
        "  sws: {stages: 4}",
        "  mixture_growth: {templates: 4}",
        "  wave: {templates: 4, template_size: 32}",
        f"train: {{epochs: {epochs // 4}, batch_size: {batch}, lr: 1.0e-3}} # the runs",
        "seeds: 3",
    ]
    return "\n".join(lines) + "\n"


def relative(root: Path, out: Path) -> str:
    """The folder as the suite names it: relative to its file where it lies beside or below it."""
    absolute, start = Path(os.path.abspath(root)), Path(os.path.abspath(out)).parent
    return str(absolute.relative_to(start)) if absolute.is_relative_to(start) and absolute != start else str(absolute)


def quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./-]*", text) else json.dumps(text, ensure_ascii=False)


def flow(value: object) -> str:
    """A mapping or list in one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return quoted(value) if isinstance(value, str) else str(value)
