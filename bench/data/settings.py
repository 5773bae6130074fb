"""What a suite says about data: which set, and how training images are varied. Light: imports no torch."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.data.known import DEFAULTS, IMAGENET_MEAN, IMAGENET_STD, STREAMED, TORCH_SETS
from bench.files import is_whole
from bench.words import did_you_mean

INFO = "_info.json"  # of a prepared data set: written last
RUNS_AT_ONCE = "BENCH_RUNS_AT_ONCE"  # variable: runs that share the cores of this machine, as their launcher says
Part = Literal["train", "val", "test"]
Probability = Annotated[float, Field(ge=0, le=1)]
# `source:`, a module of `bench/data/sources` -> what it takes of the settings that some sources do not take
SOURCES = {
    "builtin": (),
    "folder": ("splits", "split", "class_map", "fingerprint"),
    "torch": ("download", "fingerprint"),
    "hfds": ("splits", "image_column", "label_column", "fingerprint"),
    "wds": ("splits", "class_map", "fingerprint"),
}
if TYPE_CHECKING:
    Source = str
else:
    Source = Literal[tuple(SOURCES)]
Channels = Annotated[tuple[float, ...], Field(strict=False)]  # YAML and JSON have lists
Range = Annotated[tuple[float, float], Field(strict=False)]


class DataError(ValueError):
    """Data that cannot be used as it is, such as an image that cannot be decoded."""


class DataMissing(DataError):
    """The data is not where the settings say."""


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Cut(Frozen):
    """The parts that a folder of images does not have, as fractions of each class's images, drawn by the seed and the
    names of the images below their class alone. Without `val` it is cut from train as of any other data set."""

    test: float = Field(gt=0, lt=1)
    val: float | None = Field(default=None, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _leaves_some(self) -> Cut:
        if self.test + (self.val or 0) >= 1:
            raise ValueError(
                f"val and test are {self.test + (self.val or 0):g} of the images; nothing is left to train on"
            )
        return self


class DataSettings(Frozen):
    """A data set. A known name alone will do: `digits`, `cifar10`, ...; its defaults can be overridden."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$",
        max_length=100,
        description="what it is called in tables and identities",
    )
    base: str | None = Field(default=None, description="the known data set it is a variant of; default: name")
    source: Source = Field(default="folder", description="hfds: Hugging Face, saved to disk; wds: WebDataset shards")
    root: str | None = Field(default=None, description="where it is; $VARIABLES are filled in when it is read")
    splits: dict[Part, str] | None = Field(default=None, description="part -> its name at the source")
    split: Cut | None = Field(
        default=None, description="folder: parts are cut from one, from root/CLASS or from the train of `splits`"
    )
    class_map: str | None = Field(
        default=None, description="folder, wds: file of class names in label order, a line each"
    )
    image_column: str = Field(default="image", description="hfds: column of the images")
    label_column: str = Field(default="label", description="hfds: column of the labels")
    download: bool = Field(default=False, description="torch: fetch it if it is not there")
    img_size: int = Field(default=224, ge=1, description="pixels, height and width")
    in_chans: Literal[1, 3] = Field(default=3, description="images are converted to grey or RGB")
    num_classes: int | None = Field(
        default=None, ge=2, description="checked against the data, before `classes` takes some"
    )
    mean: Channels = Field(default=IMAGENET_MEAN, description="per channel, of values in 0..1")
    std: Channels = Field(default=IMAGENET_STD, description="per channel, of values in 0..1")
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    crop_pct: float = Field(default=0.875, gt=0, le=1, description="evaluation: centre crop of this part of the image")
    val_fraction: float = Field(default=0.02, gt=0, le=0.5, description="cut from train where there is no val")
    fingerprint: Literal["content", "sample"] = Field(
        default="content",
        description="what identities see of images: every byte, or names and sizes, and the bytes of one in a hundred",
    )
    classes: Annotated[tuple[str | int, ...], Field(strict=False)] | None = Field(
        default=None, description="some of its classes, by name or position, in the order of labels"
    )
    per_class: int | None = Field(
        default=None, ge=1, description="training images of each class, drawn anew for each seed"
    )
    val_images: int | None = Field(
        default=None, ge=2, description="size of the validation part, from the source's own, else cut from train"
    )
    rest: Literal["drop", "test"] = Field(
        default="drop", description="test: images that per_class and val_images leave over are tested on"
    )
    in_memory: bool = Field(default=False, description="decode once to img_size and hold as one tensor on the device")
    workers: int | None = Field(
        default=None, ge=0, description="decoding processes; default: CPU 0, GPU its share of the cores"
    )

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_known(cls, raw: Any) -> Any:
        raw = {"name": raw} if isinstance(raw, str) else raw
        if not isinstance(raw, dict):
            return raw
        known = str(raw.get("base") or raw.get("name"))
        if known not in DEFAULTS and (raw.get("base") or "source" not in raw):
            hint = did_you_mean(known, DEFAULTS)
            raise ValueError(f"unknown data set {known!r}{hint} (known: {', '.join(DEFAULTS)}; others need `source`)")
        if raw.get("source") in STREAMED:
            raise ValueError(
                f"source {raw['source']!r} is a stream and cannot be replayed sample by sample; convert it once with "
                "`datasets.load_dataset(...).save_to_disk(ROOT)` and use source: hfds"
            )
        default = DEFAULTS.get(known, {})
        if raw.get("source", default.get("source")) != default.get("source"):
            default = {}  # the name is the user's own
        merged = {**default, **raw}
        if merged.get("img_size") != default.get("img_size") and merged.get("source") != "builtin":
            merged["in_memory"] = raw.get("in_memory", False)  # arrays are held at their own size unless one says so
        return merged

    @field_validator("std")
    @classmethod
    def _positive(cls, std: Channels) -> Channels:
        if min(std, default=1) <= 0:
            raise ValueError(f"must be positive, found {std}")
        return std

    @model_validator(mode="after")
    def _consistent(self) -> DataSettings:
        if not len(self.mean) == len(self.std) == self.in_chans:
            raise ValueError(f"mean and std need one value for each of the {self.in_chans} channels")
        if self.source == "torch" and self.known not in TORCH_SETS:
            raise ValueError(f"no torchvision data set {self.known!r} (there are: {', '.join(TORCH_SETS)})")
        if self.source == "builtin":
            if self.known == "digits" and (self.img_size, self.in_chans, self.in_memory) != (8, 1, True):
                raise ValueError("digits are 8x8 in one channel, held in memory")
            if (self.in_chans, self.in_memory) != (1, True):
                raise ValueError(f"{self.known} has one channel and is held in memory")
        if self.rest == "test" and self.per_class is None and self.val_images is None:
            raise ValueError("rest: test is for what per_class or val_images leave over; found neither")
        for name in self.model_dump(exclude_defaults=True):
            sources = [source for source, taken in SOURCES.items() if name in taken]
            if sources and self.source not in sources:
                raise ValueError(f"{name} is for source {' and '.join(sources)}, not for {self.source}")
        self._check_parts()
        return self

    def _check_parts(self) -> None:
        """Every part comes from one place."""
        needed = {"train"} if self.split else {"train", "test"}
        if self.splits is not None and not needed <= self.splits.keys():
            raise ValueError(f"splits must name at least {' and '.join(sorted(needed, reverse=True))}")
        cut = {"test", "val"} if self.split and self.split.val else {"test"} if self.split else set()
        twice = sorted(cut & (self.splits or {}).keys())
        if twice:
            raise ValueError(f"{' and '.join(twice)}: named by splits and cut by split; expected one of them")

    @property
    def known(self) -> str:
        return self.base or self.name

    @property
    def path(self) -> Path:
        """`root` with environment variables filled in. Raises DataMissing where there is none or one is not set."""
        if self.root is None:
            raise DataMissing(f"{self.name}: `root` is missing: the folder where the data is")
        for variable in re.findall(r"\$\{?(\w+)", self.root):
            if not os.environ.get(variable):
                raise DataMissing(
                    f"{self.name}: root is {self.root} but the environment variable {variable} is not set; "
                    f"set it, or give the folder itself: {{name: {self.name}, root: FOLDER}}"
                )
        return Path(os.path.expandvars(self.root)).expanduser()

    @property
    def is_prepared(self) -> bool:
        """Whether `root` is a folder that `bench prepare` wrote: it stands in for any source.

        Others' WebDatasets may have a file of that name, too, with another content.
        """
        try:
            info = self.path / INFO
            return is_whole(info) if self.source == "wds" else info.is_file()
        except DataMissing:
            return False

    @property
    def stored_as_files(self) -> bool:
        """Whether its images are image files, one by one, and not pixels in one array."""
        if self.source == "torch":
            return not DEFAULTS[self.known].get("in_memory", False)
        return self.source != "builtin"

    def prepared_in(self, folder: str) -> DataSettings:
        """These settings, for the prepared data set in `folder`. Raises DataMissing where it is not."""
        prepared = self.model_copy(update={"root": f"{folder}/{self.name}"})
        if not prepared.is_prepared:
            how = f"python -m bench prepare SUITE --out {shlex.quote(str(prepared.path.parent))}"
            raise DataMissing(f"{self.name} is not prepared in {prepared.path}: {how}")
        return prepared


class AugmentSettings(Frozen):
    """How training images are varied. The default varies nothing: images are prepared as for evaluation.

    `shift` and `hflip` go with data held in memory; data that is decoded from files takes `hflip` and the rest, which
    are arguments of `timm.data.create_transform`.
    """

    shift: int = Field(default=0, ge=0, description="in memory: pixels each way, zeros move in")
    hflip: Probability = Field(default=0.0, description="probability of a left-right flip")
    crop: Literal["rrc", "rkrc", "rkrr"] | None = Field(default=None, description="timm's train_crop_mode")
    scale: Range | None = Field(default=None, description="area range of the random crop; default: timm's")
    ratio: Range | None = Field(default=None, description="aspect range of the random crop; default: timm's")
    interpolation: Literal["bilinear", "bicubic", "random"] | None = None  # default: the data set's
    color_jitter: float | Channels | None = None
    auto_augment: str | None = Field(
        default=None,
        pattern=r"^(rand|augmix|original|originalr|v0|v0r|3a)(-.+)?$",
        description="timm's policy string, such as rand-m9-mstd0.5-inc1",
    )
    re_prob: Probability = Field(default=0.0, description="probability of random erasing")
    re_mode: Literal["const", "rand", "pixel"] = "pixel"
    re_count: int = Field(default=1, ge=1)

    def check(self, data: DataSettings) -> None:
        """Raise ValueError for a setting that the data set cannot honour: nothing is silently left out."""
        if data.in_memory:
            fitting, instead = {"shift", "hflip"}, "is held in memory (or in_memory: false)"
        else:
            fitting, instead = (
                set(type(self).model_fields) - {"shift"},
                "is decoded each time (or in_memory: true)",
            )
        wrong = [name for name in self.model_dump(exclude_defaults=True) if name not in fitting]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not for {data.name}, which {instead}")
