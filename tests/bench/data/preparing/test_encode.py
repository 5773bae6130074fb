"""One image to what is kept of it: itself where it is small, else a JPEG of the size that evaluation asks for."""

import io
from hashlib import sha256
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from timm.data import create_transform

from bench.data.images import FileImages, IndexedImages
from bench.data.preparing.encode import Encoder, Form, encode

FORM = Form(short_side=16)


def image(width, height, channels=3):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels[..., 0] if channels == 1 else pixels)


def stored(picture, format="PNG", **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("format", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("WEBP", "webp"), ("BMP", "bmp"), ("TIFF", "tif")]
)
def test_an_image_that_is_not_larger_stays_the_file_that_it_is(format, suffix):
    for size in ((16, 16), (16, 90), (90, 16), (5, 3)):
        content = stored(image(*size), format)
        assert encode(content, FORM) == (suffix, content)


def test_one_that_has_no_file_loses_nothing():
    small = image(16, 20)
    suffix, data = encode(small.copy(), FORM)
    assert suffix == "png" and np.array_equal(np.asarray(opened(data)), np.asarray(small))


@pytest.mark.parametrize(("size", "kept"), [((17, 40), (16, 37)), ((40, 17), (37, 16)), ((32, 32), (16, 16))])
def test_a_larger_one_has_the_short_side_asked_for_and_its_shape(size, kept):
    suffix, data = encode(stored(image(*size)), FORM)
    assert suffix == "jpg" and opened(data).format == "JPEG" and opened(data).size == kept


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_it_is_what_timm_makes_of_it_for_evaluation(interpolation):
    original = image(40, 30)
    resize = create_transform(16, crop_pct=1.0, interpolation=interpolation).transforms[0]
    _, data = encode(stored(original), Form(16, quality=95, interpolation=interpolation))
    assert data == stored(resize(original), "JPEG", quality=95)
    assert resize(opened(data)).size == opened(data).size, "on what is kept it finds nothing to do"


def test_quality_is_what_is_asked_for():
    content = stored(image(40, 30))
    low, high = (encode(content, Form(16, quality=quality))[1] for quality in (30, 95))
    assert len(low) < len(high)


def test_grey_stays_grey_and_all_else_becomes_colour():
    for made, mode in (
        (image(30, 30, 1), "L"), (image(30, 30, 4), "RGB"), (image(30, 30).convert("P"), "RGB"),
        (image(30, 30).convert("CMYK"), "RGB"), (image(30, 30, 1).convert("LA"), "RGB"),
    ):  # fmt: skip
        content = stored(made, "TIFF" if made.mode == "CMYK" else "PNG")
        assert opened(encode(content, FORM)[1]).mode == mode, made.mode


def test_an_image_is_decoded_whole_also_where_its_file_stays():
    for size in ((12, 12), (40, 40)):
        content = stored(image(*size), "JPEG")
        with pytest.raises(OSError, match="truncated|broken"):
            encode(content[:-60], FORM)


def test_a_span_has_its_images_with_labels_and_what_is_broken_by_name(tmp_path):
    contents = [stored(image(20 + i, 20), "JPEG") for i in range(4)]
    contents[2] = b"no image"
    for i, content in enumerate(contents):
        (tmp_path / f"{i}.jpg").write_bytes(content)
    encoder = Encoder(FileImages(tmp_path, [f"{i}.jpg" for i in range(4)], [5, 6, 7, 8]), FORM)
    first, broken = encoder[1, 3]
    assert (first.index, first.label, first.suffix, first.broken) == (1, 6, "jpg", "")
    assert first.data == encode(contents[1], FORM)[1] and first.source == sha256(contents[1]).digest()
    assert (broken.index, broken.label, broken.data, broken.source) == (2, 7, b"", b"")
    assert broken.broken.startswith(f"{tmp_path / '2.jpg'}: not a readable image (UnidentifiedImageError: ")


def test_of_an_image_without_a_file_the_pixels_are_the_original():
    picture = image(30, 30)
    encoder = Encoder(IndexedImages(lambda index: picture.copy(), [0], "set/train"), FORM)
    (found,) = encoder[0, 1]
    assert found.source == sha256(picture.tobytes()).digest()


def test_whatever_is_raised_is_told_of_that_image_alone():
    def read(index):
        raise SyntaxError("broken PNG file")

    images = SimpleNamespace(labels=np.array([3]), content=read, name=lambda index: "set: image 0")
    (found,) = Encoder(images, FORM)[0, 1]
    assert found.broken == "set: image 0: not a readable image (SyntaxError: broken PNG file)" and found.label == 3
