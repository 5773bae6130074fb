"""`bench prepare`: what it refuses, and what it says then."""

import pytest

from tests.bench.photo_suites import AUGMENTED, suite, write_photos
from tests.bench.tiny import bench, write


@pytest.fixture
def photos(tmp_path):
    return write_photos(tmp_path)


@pytest.fixture
def prepared(photos, tmp_path):
    assert bench("prepare", suite(tmp_path, photos), "--out", tmp_path / "ready", "--jobs", 1) == 0
    return tmp_path / "ready" / "photos"


def test_errors_say_what_to_do(photos, prepared, tmp_path, capsys):
    file = suite(tmp_path, photos)
    for words, code, message in (
        ((), 2, "expected --out DIR"),
        (("--out", tmp_path, "--short-side", 8), 2, "photos is used at 16 pixels"),
        (("--out", tmp_path, "--set", f"dataset.root={prepared}"), 2, "is prepared already"),
    ):
        assert bench("prepare", file, *words) == code
        assert message in capsys.readouterr().err
    assert bench("plan", file, "--set", f"prepared={tmp_path / 'none'}") == 2
    out = tmp_path / "none"
    how = f"photos is not prepared in {out / 'photos'}: python -m bench prepare SUITE --out {out}\n"
    assert capsys.readouterr().err.endswith(how)
    digits = write(
        tmp_path,
        AUGMENTED.replace(AUGMENTED.splitlines()[2], "dataset: digits").replace("patch_size: 8", "patch_size: 2"),
    )
    assert bench("prepare", digits, "--out", tmp_path / "out", "--set", "train.augment={}") == 0
    assert "digits: stored as pixels" in capsys.readouterr().out
