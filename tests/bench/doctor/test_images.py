"""What images are like, by opening them."""

import numpy as np
import pytest
from PIL import Image

from bench.data.sources.folder import files, survey
from bench.doctor import images
from bench.doctor.images import look, one_of_each_class, see
from tests.bench.data.small_folder import COUNTS, settings, write_folder

HALF = np.zeros((4, 6, 3), dtype=np.uint8)
HALF[:2] = (255, 0, 51)


@pytest.fixture
def saved(tmp_path):
    """A function that saves an image and returns its path."""

    def save(name, image, **options):
        image.save(tmp_path / name, **options)
        return str(tmp_path / name)

    return save


def test_an_image_is_seen_as_it_is_stored(saved):
    seen = see(saved("half.png", Image.fromarray(HALF)))
    assert (seen.size, seen.mode, seen.frames, seen.grey) == ((6, 4), "RGB", 1, False)
    assert seen.mean == pytest.approx([0.5, 0, 0.1]) and seen.square == pytest.approx([0.5, 0, 0.02])


def test_grey_is_what_has_no_colour_however_it_is_stored(saved):
    grey = Image.fromarray(HALF[..., 0])
    for name, image in (("l.png", grey), ("rgb.png", grey.convert("RGB")), ("p.png", grey.convert("P"))):
        assert see(saved(name, image)).grey, name


def test_frames_of_an_animation_are_counted(saved):
    first, second = Image.fromarray(HALF), Image.fromarray(255 - HALF)
    path = saved("x.webp", first, save_all=True, append_images=[second], lossless=True, duration=9)
    assert see(path).frames == 2 and look([path]).animated == 1


def test_what_is_no_image_is_said_beside_the_others(saved, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    good = saved("good.png", Image.fromarray(HALF))
    found = look([str(tmp_path / "bad.png"), good, good])
    assert found.sizes == {(6, 4): 2} and found.modes == {"RGB": 2} and not found.grey
    (trouble,) = found.troubles
    assert trouble.startswith(f"{tmp_path / 'bad.png'}: not a readable image")


def test_statistics_are_of_all_images_whatever_their_size(saved):
    black = saved("black.png", Image.new("RGB", (100, 100)))
    white = saved("white.png", Image.new("RGB", (1, 1), "white"))
    assert look([black, white]).statistics() == ([0.5], [0.5])
    assert look([black]).statistics() == ([0.0], [0.001]), "nothing is divided by 0"
    mean, std = look([saved("half.png", Image.fromarray(HALF))]).statistics()
    assert mean == [0.5, 0.0, 0.1] and std == [0.5, 0.001, 0.1]


def test_of_each_class_the_first_training_image_is_opened(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(images, "see", lambda path: opened.append(path) or see(path))
    chosen = settings(write_folder(tmp_path, COUNTS))
    (found,) = one_of_each_class(chosen)
    assert (found.state, found.text) == ("ok", "tiny: an image of each of the 3 classes was opened")
    listed = [file for file in files(chosen, survey(chosen)) if file.part == "train"]
    assert opened == [next(file.path for file in listed if file.label == label) for label in range(3)]
