"""`bench new suite`: what it makes of a folder, as it lies in people's homes."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from bench.commands.new.suite_text import patch_for, shape_of
from bench.suite import load
from tests.bench.tiny import bench

rng = np.random.default_rng(0)


def draw(size=(12, 12), channels=1):
    pixels = rng.integers(0, 256, (*size[::-1], channels), dtype=np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def write(root, counts, name="{}.png", make=draw):
    """counts: class folder -> number of images."""
    for place, n in counts.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            make().save(root / place / name.format(i))
    return root


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(*arguments):
    """The suite that is made of the folder `pets`."""
    assert bench("new", "suite", *(arguments or ("pets",))) == 0
    return yaml.safe_load(Path("pets.yaml").read_text())


def refused(capsys, folder="pets"):
    assert bench("new", "suite", folder) == 2
    return capsys.readouterr().err


def test_images_as_they_are_with_what_was_measured(here, capsys):
    pixels = np.zeros((12, 12), dtype=np.uint8)
    pixels[:6] = 255
    write(here / "pets", {"cat": 10, "dog": 20}, make=lambda: Image.fromarray(pixels))
    suite = made()
    assert suite["dataset"] == {
        "name": "pets", "source": "folder", "root": "pets", "split": {"test": 0.2, "val": 0.1, "seed": 0},
        "img_size": 12, "in_chans": 1, "num_classes": 2, "mean": [0.5], "std": [0.5], "crop_pct": 1.0,
        "in_memory": True,
    }  # fmt: skip
    assert suite["ancestor"]["model"]["patch_size"] == 2
    out = capsys.readouterr().out
    assert "30 images of 2 classes" in out and "all 12x12 pixels, grey (as stored: 30 L)" in out
    text = (here / "pets.yaml").read_text()
    assert "# measured on 21 training images" in text and text.startswith("# python -m bench run pets.yaml\n")
    assert load(here / "pets.yaml").data[0].description.counts == {"train": 21, "val": 3, "test": 6}


def test_the_mean_is_of_training_images_alone(here):
    write(here / "pets" / "train", {"a": 4, "b": 4}, make=lambda: Image.new("RGB", (8, 8), (255, 0, 51)))
    write(here / "pets" / "test", {"a": 4, "b": 4}, make=lambda: Image.new("RGB", (8, 8), (0, 0, 0)))
    data = made()["dataset"]
    assert data["mean"] == [1.0, 0.0, 0.2] and data["in_chans"] == 3
    assert data["std"] == [0.001] * 3  # of one colour each: not 0, by which nothing can be divided


@pytest.mark.parametrize(
    ("folders", "keys"),
    [
        (["train", "val", "test"], {"splits": {"train": "train", "val": "val", "test": "test"}}),
        (["train", "test"], {"splits": {"train": "train", "test": "test"}, "val_fraction": 0.1}),
        (["training", "validation"], {"splits": {"train": "training", "test": "validation"}, "val_fraction": 0.1}),
        (["train"], {"splits": {"train": "train"}, "split": {"test": 0.2, "val": 0.1, "seed": 0}}),
        (["test", "dog"], {"split": {"test": 0.2, "val": 0.1, "seed": 0}}),
    ],
)
def test_parts_that_are_there_are_used_and_others_are_made(folders, keys, here):
    write(here / "pets", {f"{part}/{c}": 10 for part in folders for c in ("a", "b")})
    data = made()["dataset"]
    assert {key: data[key] for key in ("splits", "split", "val_fraction") if key in data} == keys
    assert load(here / "pets.yaml").data[0].description.counts["train"] > 0


def test_a_class_that_is_called_like_a_part(here):
    write(here / "pets", {"train": 10, "plane": 10})
    assert made()["dataset"]["num_classes"] == 2
    assert load(here / "pets.yaml").data[0].description.classes == ("plane", "train")


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(28, 28)] * 3, (28, 4, True)),
        ([(8, 8)], (8, 1, True)),
        ([(32, 32)], (32, 4, True)),
        ([(64, 64)], (64, 8, True)),
        ([(224, 224)], (224, 16, True)),
        ([(29, 29)], (28, 4, False)),
        ([(640, 480)] * 9, (224, 16, False)),
        ([(300, 40), (50, 70), (48, 48)], (48, 6, False)),
    ],
)
def test_sizes(sizes, expected):
    shape = shape_of(sizes)
    assert (shape.img_size, shape.patch_size, shape.whole) == expected


def test_every_size_has_a_patch():
    for size in range(1, 400):
        shape = shape_of([(size, size)])
        assert shape.img_size % shape.patch_size == 0 and 0.75 * min(size, 224) < shape.img_size <= size
        assert shape.img_size // shape.patch_size <= 14 and (size < 2 or shape.img_size // shape.patch_size >= 2)
    assert patch_for(97) is None


def test_mixed_sizes_and_kinds_of_images(here, capsys):
    root = write(here / "pets", {"a": 6, "b": 6}, make=lambda: draw((20, 16), 3))
    draw((40, 30)).save(root / "a" / "grey.png")
    Image.fromarray(rng.integers(0, 65536, (16, 20), dtype=np.uint16)).save(root / "a" / "deep.png")
    draw((20, 16), 3).convert("P").save(root / "b" / "palette.png")
    draw((20, 16), 3).convert("CMYK").save(root / "b" / "cmyk.jpg")
    draw((20, 16)).save(root / "b" / "moving.webp", save_all=True, append_images=[draw((20, 16))], duration=9)
    (root / "b" / "deeper").mkdir()
    draw((20, 16)).save(root / "b" / "deeper" / "x.png")
    data = made()["dataset"]
    out = capsys.readouterr().out
    assert (data["img_size"], data["in_chans"]) == (16, 3) and data["crop_pct"] == 1.0
    assert "18 images of 2 classes" in out and "20x16 to 40x30 pixels; 17 are 20x16, in colour" in out
    assert "1 I;16" in out and "1 P" in out and "1 CMYK" in out and "1 have several frames: the first counts" in out


def test_grey_images_stored_in_colour_are_grey(here):
    write(here / "pets", {"a": 5, "b": 5}, make=lambda: draw().convert("RGB"))
    assert made()["dataset"]["in_chans"] == 1


def test_an_existing_file_is_refused_and_stays(here, capsys):
    write(here / "pets", {"a": 5, "b": 5})
    (here / "pets.yaml").write_text("mine")
    assert "pets.yaml is there already; expected another --out" in refused(capsys)
    assert (here / "pets.yaml").read_text() == "mine"
    assert bench("new", "suite", "pets", "--out", here / "nowhere" / "x.yaml") == 2


def test_the_folder_is_named_relative_to_the_suite_below_it_only(here):
    write(here / "pets", {"a": 5, "b": 5})
    (here / "suites").mkdir()
    assert bench("new", "suite", "pets", "--out", "suites/x.yaml") == 0
    assert yaml.safe_load((here / "suites" / "x.yaml").read_text())["dataset"]["root"] == str(here / "pets")
    assert load(here / "suites" / "x.yaml").data[0].description.num_classes == 2


@pytest.mark.parametrize(
    ("folder", "name"), [("my pets (2)", "my_pets_2"), ("imagenet", "my_imagenet"), ("jobs", "my_jobs")]
)
def test_the_name_is_one_that_a_suite_may_have(folder, name, here):
    write(here / folder, {"a: b": 5, "c": 5})
    assert bench("new", "suite", folder) == 0
    suite = load(here / f"{name}.yaml")
    assert suite.name == suite.data[0].name == name and suite.data[0].description.classes == ("a: b", "c")


def test_what_cannot_be_a_data_set_is_said(here, capsys):
    assert "is not a folder; expected part/class/image" in refused(capsys)
    (here / "pets").mkdir()
    draw().save(here / "pets" / "1.png")
    assert "pets has no folders; expected part/class/image" in refused(capsys)
    write(here / "pets", {"a": 5, "b": 1})
    assert "1 image of b cannot be split into train, val and test; expected at least 3" in refused(capsys)
    write(here / "pets", {"b": 5, ".hidden": 1})
    (here / "pets" / "b" / "2.png").write_bytes(b"no image")
    said = refused(capsys)
    assert "1 of 10 images cannot be read: pets/b/2.png: not a readable image" in said and "repair or remove" in said
    (here / "pets" / "b" / "2.png").unlink()
    (here / "pets" / "empty").mkdir()
    assert "no image in empty" in refused(capsys)
    assert not list(here.glob("*.yaml"))


def test_of_many_images_some_are_opened(here, capsys, monkeypatch):
    monkeypatch.setattr("bench.commands.new.suite.MOST", 10)
    write(here / "pets", {"a": 20, "b": 15})
    made()
    assert "35 images of 2 classes; 9 of them were opened" in capsys.readouterr().out
