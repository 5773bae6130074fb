"""The data sets that are known by name: defaults of their settings, and what torchvision's sets consist of.

Torch is not needed here, so that a plan can count images without importing torchvision. `load` holds the counts
against the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# timm creates these sources too, but as streams: no random access, so no replay of a single sample.
STREAMED = ("tfds", "hfids")


@dataclass(frozen=True)
class TorchSet:
    """A data set of torchvision.

    cls:     class in `torchvision.datasets`.
    folder:  what the class looks for below `root`.
    parts:   part -> keyword arguments of the class.
    sizes:   part -> number of images.
    train:   images per class of the training part.
    files:   what is read of the folder, as patterns below `root`.
    classes: names in label order; empty where only the number is known here.
    test:    images per class of the test part; empty where all classes have as many, or that is not known here.
    """

    cls: str
    folder: str
    parts: dict[str, dict[str, Any]]
    sizes: dict[str, int]
    train: tuple[int, ...]
    files: tuple[str, ...]
    classes: tuple[str, ...] = ()
    test: tuple[int, ...] = ()

    @property
    def per_class(self) -> dict[str, tuple[int, ...]]:
        """part -> images per class, of the parts where that is known: what is evenly filled is."""
        known = {"train": self.train} | ({"test": self.test} if self.test else {})
        n = len(self.train)
        even = {part: (size // n,) * n for part, size in self.sizes.items() if part not in known and size % n == 0}
        return known | even


_TRAIN_FLAG = {"train": {"train": True}, "test": {"train": False}}
_TWO = {"train": {"split": "train"}, "test": {"split": "test"}}
_THREE = {"train": {"split": "train"}, "val": {"split": "val"}, "test": {"split": "test"}}
_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_MNIST_TEST = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
_SVHN_TEST = (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)
_MNIST = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)
_SVHN = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)


def _in(folder: str, *patterns: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{pattern}" for pattern in patterns)


TORCH_SETS = {
    "cifar10": TorchSet(
        "CIFAR10", "cifar-10-batches-py", _TRAIN_FLAG, {"train": 50_000, "test": 10_000}, (5000,) * 10,
        _in("cifar-10-batches-py", "data_batch_*", "test_batch", "batches.meta"), _CIFAR10,
    ),
    "cifar100": TorchSet(
        "CIFAR100", "cifar-100-python", _TRAIN_FLAG, {"train": 50_000, "test": 10_000}, (500,) * 100,
        _in("cifar-100-python", "train", "test", "meta"),
    ),
    "mnist": TorchSet(
        "MNIST", "MNIST/raw", _TRAIN_FLAG, {"train": 60_000, "test": 10_000}, _MNIST, _in("MNIST/raw", "*-ubyte"),
        test=_MNIST_TEST,
    ),
    "fashion_mnist": TorchSet(
        "FashionMNIST", "FashionMNIST/raw", _TRAIN_FLAG, {"train": 60_000, "test": 10_000}, (6000,) * 10,
        _in("FashionMNIST/raw", "*-ubyte"),
    ),
    "svhn": TorchSet(
        "SVHN", "train_32x32.mat", _TWO, {"train": 73_257, "test": 26_032}, _SVHN,
        ("train_32x32.mat", "test_32x32.mat"), test=_SVHN_TEST,
    ),
    "stl10": TorchSet(
        "STL10", "stl10_binary", _TWO, {"train": 5000, "test": 8000}, (500,) * 10,
        _in("stl10_binary", "train_*.bin", "test_*.bin", "class_names.txt"),
    ),
    "flowers102": TorchSet(
        "Flowers102", "flowers-102", _THREE, {"train": 1020, "val": 1020, "test": 6149}, (10,) * 102,
        _in("flowers-102", "jpg/*.jpg", "*.mat"),
    ),
    "food101": TorchSet(
        "Food101", "food-101", _TWO, {"train": 75_750, "test": 25_250}, (750,) * 101,
        _in("food-101", "images/*/*.jpg", "meta/*.json"),
    ),
    "dtd": TorchSet(
        "DTD", "dtd/dtd", _THREE, {"train": 1880, "val": 1880, "test": 1880}, (40,) * 47,
        _in("dtd/dtd", "images/*/*.jpg", "labels/*1.txt"),
    ),
}  # fmt: skip


def _torch(size: int, **fields: Any) -> dict[str, Any]:
    return {"source": "torch", "root": "$BENCH_DATA", "img_size": size, **fields}


def _folder(name: str, classes: int) -> dict[str, Any]:
    return {"source": "folder", "root": f"$BENCH_DATA/{name}", "num_classes": classes}


def _pixels(size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> dict[str, Any]:
    """Small images that are stored as one array: used at their own size, whole."""
    return _torch(size, in_chans=len(mean), mean=mean, std=std, crop_pct=1.0, in_memory=True)


DEFAULTS: dict[str, dict[str, Any]] = {
    # mean and deviation of the training part, of values scaled to 0..1
    "digits": {
        "source": "builtin", "img_size": 8, "in_chans": 1, "mean": (0.3053,), "std": (0.3760,), "crop_pct": 1.0,
        "in_memory": True,
    },
    "glyphs": {
        "source": "builtin", "img_size": 20, "in_chans": 1, "mean": (0.0933,), "std": (0.2489,), "crop_pct": 1.0,
        "in_memory": True,
    },
    "mnist_5k": {
        "source": "builtin", "img_size": 28, "in_chans": 1, "mean": (0.1307,), "std": (0.3081,), "crop_pct": 1.0,
        "in_memory": True,
    },
    "cifar10": _pixels(32, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": _pixels(32, (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "mnist": _pixels(28, (0.1307,), (0.3081,)),
    "fashion_mnist": _pixels(28, (0.2860,), (0.3530,)),
    "svhn": _pixels(32, (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
    "stl10": _pixels(96, (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713)),
    "flowers102": _torch(224),
    "food101": _torch(224),
    "dtd": _torch(224),
    # ILSVRC keeps unlabelled images in `test`; the labelled `val` is what everybody reports
    "imagenet": {
        "source": "folder", "root": "$IMAGENET", "splits": {"train": "train", "test": "val"}, "num_classes": 1000,
    },
    "cub200": _folder("cub200", 200),
    "stanford_cars": _folder("stanford_cars", 196),
    "inat2019": _folder("inat2019", 1010),
}  # fmt: skip

# Images in train (with validation, where that is cut from it) and test of the sets that are kept in folders.
SIZES = {
    "imagenet": (1_281_167, 50_000),
    "cub200": (5_994, 5_794),
    "stanford_cars": (8_144, 8_041),
    "inat2019": (265_213, 3_030),
}

# How to come by what is neither built in nor fetched by torchvision.
HOW_TO_GET = {
    "imagenet": "ImageNet-1K (ILSVRC2012) is given out by image-net.org after registration: train/n01440764/*.JPEG as "
    "in its training archive, and the validation images sorted into val/n01440764/*.JPEG by their class",
    "cub200": "CUB-200-2011 is CUB_200_2011.tgz of doi:10.22002/D1.20098: sort images/CLASS/*.jpg into train/CLASS "
    "and test/CLASS by its train_test_split.txt (1: train)",
    "stanford_cars": "Stanford Cars (Krause et al., 2013): sort its images into train/CLASS and test/CLASS by the "
    "annotations that come with them",
    "inat2019": "iNaturalist 2019 is train_val2019.tar.gz of github.com/visipedia/inat_comp: sort its images into "
    "train/CATEGORY and val/CATEGORY by train2019.json and val2019.json",
}
