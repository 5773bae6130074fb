"""`bench new suite`: looks at a folder of images and writes a suite that runs on it."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from bench.commands.new.suite_text import suite_text
from bench.data import DataSettings
from bench.data.known import DEFAULTS
from bench.data.parts import USUAL
from bench.data.settings import Cut
from bench.data.sources import folder
from bench.doctor.images import ImagesLook, look
from bench.errors import UsageError
from bench.suite.values import RESERVED_NAMES
from bench.words import few

MOST = 5000  # images that are opened
CUT = Cut(val=0.1, test=0.2)


def main(options: argparse.Namespace) -> int:
    root = options.folder.expanduser()
    name = name_for(root)
    out = options.out or Path(f"{name}.yaml")
    if out.exists():
        raise UsageError(f"{out} is there already; expected another --out, or remove it first")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out.absolute().parent} is no folder; expected one for the suite, see --out")
    layout = layout_of(root)
    settings = DataSettings.model_validate({"name": name, "source": "folder", "root": str(root), **layout})
    try:
        survey = folder.survey(settings)
        files = folder.files(settings, survey)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    chosen = files[:: -(-len(files) // MOST)]
    images = look([file.path for file in chosen])
    if images.troubles:
        n = f"{len(images.troubles)} of {len(chosen)} images cannot be read"
        raise UsageError(f"{n}: {few(images.troubles, 3)}; repair or remove them")
    trained_on = look([file.path for file in chosen if file.part == "train"])
    about = facts(images, survey.classes, [len(survey.memo[1]["train"][c]) for c in survey.classes], len(files))
    text = suite_text(name, root, out, layout, survey.sizes, len(survey.classes), images, trained_on, about)
    with out.open("x", encoding="utf-8") as file:
        file.write(text)
    print("\n".join(about))
    print(f"\nwritten: {out}\n")
    for command, purpose in (("doctor", "whether all is there"), ("plan", "what it would do and cost"), ("run", "go")):
        print(f"  python -m bench {command} {out}".ljust(50) + f" # {purpose}")
    return 0


def name_for(root: Path) -> str:
    """The folder's name as a suite's, and as that of a data set which is not one of those known."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", root.absolute().name).strip("_") or "images"
    return f"my_{name}" if name in DEFAULTS or name in RESERVED_NAMES else name


def layout_of(root: Path) -> dict[str, dict[str, object]]:
    """`splits` and `split` for what a folder consists of. Raises UsageError for what holds no class folders."""
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder; {folder.EITHER}")
    if "$" in str(root):
        raise UsageError(f"{root}: a suite takes what follows a $ for a variable; expected a path without it")
    inside = sorted(entry.name for entry in os.scandir(root) if entry.is_dir() and not entry.name.startswith("."))
    if not inside:
        raise UsageError(f"{root} has no folders; {folder.EITHER}")
    parts = {
        part: next((n for n in names if n in inside and has_classes(root / n)), None) for part, names in USUAL.items()
    }
    cut = CUT.model_dump()
    if parts["train"] is None:
        return {"split": cut}
    if parts["test"] is None and parts["val"] is None:
        return {"splits": {"train": parts["train"]}, "split": cut}
    if parts["test"] is None:
        return {"splits": {"train": parts["train"], "test": parts["val"]}}
    return {"splits": {part: name for part, name in parts.items() if name}}


def has_classes(path: Path) -> bool:
    """Whether a folder is a part, with folders of classes in it, and not a class that is called like one."""
    entries = [entry for entry in os.scandir(path) if not entry.name.startswith(".")]
    images = any(entry.name.lower().endswith(folder.EXTENSIONS) for entry in entries)
    return not images and any(entry.is_dir() for entry in entries)


def facts(images: ImagesLook, classes: Sequence[str], counts: Sequence[int], n: int) -> list[str]:
    """What was found, a line each."""
    seen = sum(images.sizes.values())
    looked = f"{n:,} images of {len(classes)} classes" + (f"; {seen:,} of them were opened" if seen < n else "")
    widths, heights = zip(*images.sizes, strict=True)
    (width, height), most = images.sizes.most_common(1)[0]
    sizes = f"all {width}x{height} pixels"
    if len(images.sizes) > 1:
        sizes = f"{min(widths)}x{min(heights)} to {max(widths)}x{max(heights)} pixels; {most:,} are {width}x{height}"
    kinds = ", ".join(f"{n:,} {mode}" for mode, n in images.modes.most_common())
    lines = [
        looked,
        f"for training {min(counts)} to {max(counts)} of a class: {few(list(classes), 5)}",
        f"{sizes}, {'grey' if images.grey else 'in colour'} (as stored: {kinds})",
    ]
    if images.animated:
        lines.append(f"{images.animated:,} have several frames: the first counts")
    return lines
