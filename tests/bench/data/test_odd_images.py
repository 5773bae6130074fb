"""What lies in people's folders of images beside plain 8-bit pictures, and what becomes of it."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from bench.data import DataError, describe, load
from bench.data.decode import decode
from tests.bench.data.small_folder import settings

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)


def saved(folder, image, name="x.png", **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def read(path, mode="L"):
    return np.asarray(decode(lambda: path, str(path), mode))


def test_sixteen_bits_become_eight_over_the_whole_range(tmp_path):
    values = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
    path = saved(tmp_path, Image.fromarray(values))
    assert Image.open(path).mode == "I;16"
    assert read(path).tolist() == [[0, 0, 1, 1, 128, 255]]
    assert (read(path, "RGB") == read(path)[..., None]).all()
    wide = saved(tmp_path, Image.fromarray(RAMP.astype(np.uint16) * 257), "wide.tiff")
    assert np.array_equal(read(wide), RAMP)


@pytest.mark.parametrize(("kind", "what"), [(np.int32, "integers of 32 bits"), (np.float32, "floats")])
def test_pixels_without_a_known_range_are_refused(kind, what, tmp_path):
    path = saved(tmp_path, Image.fromarray(RAMP.astype(kind)), "x.tiff")
    with pytest.raises(DataError, match=f"x.tiff: not a readable image .*its pixels are {what}; expected 8 or 16 bits"):
        read(path)


def test_palette_images_have_their_colours(tmp_path):
    image = Image.fromarray(RAMP // 128).convert("P")
    image.putpalette([10, 20, 30, 200, 100, 0])
    pixels = read(saved(tmp_path, image), "RGB")
    assert pixels[0, 0].tolist() == [10, 20, 30] and pixels[-1, -1].tolist() == [200, 100, 0]


def test_cmyk_images_become_rgb(tmp_path):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixels = read(saved(tmp_path, image, "x.jpg", quality=100), "RGB")
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 4


def test_of_an_animated_image_the_first_frame_counts(tmp_path):
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    path = saved(tmp_path, first, "x.webp", save_all=True, append_images=[second], lossless=True, duration=10)
    assert Image.open(path).n_frames == 2
    assert np.array_equal(read(path, "RGB")[..., 0], RAMP)
    tiff = saved(tmp_path, first, "x.tiff", save_all=True, append_images=[second])
    assert np.array_equal(read(tiff), RAMP)


def test_what_is_transparent_shows_the_colour_below(tmp_path):
    pixels = np.dstack([RAMP, RAMP, RAMP, np.zeros_like(RAMP)])
    assert np.array_equal(read(saved(tmp_path, Image.fromarray(pixels, "RGBA")), "RGB")[..., 0], RAMP)


@pytest.fixture
def parts(tmp_path):
    for part, n in (("train", 4), ("test", 2)):
        for c in ("a", "b"):
            for i in range(n):
                saved(tmp_path, Image.fromarray(RAMP), f"{part}/{c}/{i}.png")
    return tmp_path


def test_links_to_images_and_folders_count_and_one_that_leads_back_is_named(parts, tmp_path):
    os.symlink(parts / "test" / "a" / "0.png", parts / "train" / "a" / "link.png")
    os.symlink(parts / "test" / "b", parts / "train" / "b" / "more")
    assert sum(describe(settings(parts)).counts.values()) == 8 + 4 + 1 + 2
    os.symlink(parts / "train" / "a", parts / "train" / "a" / "back")
    with pytest.raises(DataError, match="train/a/back/.*nested more than 16 deep; does a link lead back"):
        describe(settings(parts))


def test_a_link_that_leads_nowhere_is_named(parts):
    os.symlink("gone.png", parts / "train" / "a" / "link.png")
    with pytest.raises(ValueError, match="train/a/link.png: No such file"):
        describe(settings(parts))


def test_hidden_files_and_folders_do_not_count(parts):
    before = describe(settings(parts)).counts
    for name in ("train/a/.hidden.png", "train/a/.thumbs/x.png", "train/.cache/x.png", ".git/a/x.png"):
        saved(parts, Image.fromarray(RAMP), name)
    (parts / "train" / "a" / "Thumbs.db").write_bytes(b"x")
    assert describe(settings(parts)).counts == before and describe(settings(parts)).classes == ("a", "b")


def test_mixed_sizes_and_modes_become_one_size(parts):
    saved(parts, Image.fromarray(np.tile(RAMP, (1, 3))), "train/a/wide.png")
    saved(parts, Image.fromarray(RAMP.astype(np.uint16) * 257), "train/a/deep.png")
    data = load(settings(parts, in_memory=True))
    images, _ = next(data.train.batches([torch.arange(data.train.n)], epoch=0, seed=0))
    assert images.shape[1:] == (3, 16, 16) and data.train.n + data.val.n == 10


def test_a_class_with_one_image_cannot_be_validated_on(parts):
    saved(parts, Image.fromarray(RAMP), "train/c/only.png")
    with pytest.raises(DataError, match="fewer than two images of c"):
        describe(settings(parts))
