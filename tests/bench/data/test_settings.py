"""Names, defaults, environment variables and what is refused."""

import importlib
import subprocess
import sys

import pytest
from pydantic import ValidationError

from bench.data import AugmentSettings, DataMissing, DataSettings
from bench.data.known import DEFAULTS
from bench.data.settings import SOURCES


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_has_a_module_and_takes_settings_that_there_are(source):
    module = importlib.import_module(f"bench.data.sources.{source}")
    for function in ("survey", "files", "open_part"):
        assert callable(getattr(module, function, None)), f"bench/data/sources/{source}.py: there is no `{function}`"
    unknown = {*SOURCES[source]} - {*DataSettings.model_fields}
    assert not unknown, f"bench/data/settings.py: {source} of SOURCES takes {unknown}: add that to DataSettings"


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_known_name_alone_will_do(name):
    settings = DataSettings.model_validate(name)
    assert settings == DataSettings.model_validate({"name": name})
    assert settings.name == name and len(settings.mean) == settings.in_chans


def test_defaults_can_be_overridden_and_given_another_name():
    big = DataSettings.model_validate({"name": "cifar_big", "base": "cifar10", "img_size": 224})
    assert (big.name, big.known, big.source, big.img_size) == ("cifar_big", "cifar10", "torch", 224)
    assert big.mean == DataSettings.model_validate("cifar10").mean
    assert DataSettings.model_validate("cifar10").in_memory and not big.in_memory
    assert DataSettings.model_validate({"name": "cifar10", "img_size": 48, "in_memory": True}).in_memory


def test_a_known_name_from_another_source_is_the_users_own():
    own = DataSettings.model_validate({"name": "cifar10", "source": "folder", "root": "x"})
    assert (own.img_size, own.in_memory, own.crop_pct) == (224, False, 0.875)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cifar01", "did you mean 'cifar10'"),
        ({"name": "mine"}, "others need `source`"),
        ({"name": "digits", "colour": 1}, "colour"),
        ({"name": "digits", "img_size": 16}, "8x8"),
        ({"name": "cifar10", "img_size": "64"}, "img_size"),
        ({"name": "cifar10", "img_size": True}, "img_size"),
        ({"name": "cifar10", "mean": ["1", 1, 1]}, "mean"),
        ({"name": "cifar10", "in_chans": 1}, "mean and std"),
        ({"name": "cifar10", "std": [1, 0, 1]}, "positive"),
        ({"name": "a", "source": "torch"}, "no torchvision data set 'a'"),
        ({"name": "a", "source": "tfds", "root": "x"}, "save_to_disk"),
        ({"name": "a", "source": "folder", "splits": {"train": "a"}}, "at least train and test"),
        ({"name": "cifar10", "class_map": "x"}, "class_map is for source folder and wds, not for torch"),
        ({"name": "cifar10", "splits": {"train": "a", "test": "b"}}, "splits is for source folder and hfds"),
        ({"name": "a", "source": "folder", "download": True}, "download is for source torch"),
        ({"name": "a/b", "source": "folder"}, "pattern"),
        ({"source": "folder"}, "name"),
        (3, "dictionary"),
    ],
)
def test_what_is_refused_says_why(given, message):
    with pytest.raises(ValidationError, match=message):
        DataSettings.model_validate(given)


def test_environment_variables_in_root(monkeypatch, tmp_path):
    settings = DataSettings.model_validate({"name": "a", "source": "folder", "root": "${SOME_DATA}/x"})
    monkeypatch.delenv("SOME_DATA", raising=False)
    with pytest.raises(DataMissing, match="SOME_DATA is not set"):
        _ = settings.path
    monkeypatch.setenv("SOME_DATA", str(tmp_path))
    assert settings.path == tmp_path / "x"
    with pytest.raises(DataMissing, match="`root` is missing"):
        _ = DataSettings.model_validate({"name": "a", "source": "folder"}).path


def test_augmentation_that_the_data_cannot_honour_is_refused(folder):
    digits = DataSettings.model_validate("digits")
    files = DataSettings.model_validate({"name": "f", "source": "folder", "root": str(folder)})
    AugmentSettings(shift=1, hflip=0.5).check(digits)
    AugmentSettings(hflip=0.5, crop="rrc", auto_augment="rand-m9").check(files)
    AugmentSettings(shift=0, crop=None).check(files)
    AugmentSettings(crop=None, re_prob=0.0).check(digits)
    with pytest.raises(ValueError, match="crop, auto_augment: not for digits"):
        AugmentSettings(crop="rrc", auto_augment="rand-m9").check(digits)
    with pytest.raises(ValueError, match="shift: not for f"):
        AugmentSettings(shift=1).check(files)


@pytest.mark.parametrize("wrong", [{"crop": "rcc"}, {"hflip": 2.0}, {"auto_augment": "randaugment"}, {"flip": 0.5}])
def test_wrong_augmentation(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AugmentSettings.model_validate(wrong)


@pytest.mark.parametrize("policy", ["rand-m9-mstd0.5-inc1", "augmix-m5-w4", "originalr-mstd0.5", "v0", "3a"])
def test_the_policies_that_are_let_through_are_timms(policy, folder):
    from bench.data.transforms import build

    files = DataSettings.model_validate({"name": "f", "source": "folder", "root": str(folder)})
    build(files, AugmentSettings(auto_augment=policy))


def test_describing_digits_needs_neither_torch_nor_sklearn():
    code = (
        "import sys; from bench.data import *; from bench.data import describe, DataSettings;"
        "d = describe(DataSettings.model_validate('digits'));"
        "assert d.counts == {'train': 1077, 'val': 360, 'test': 360}, d;"
        "print([m for m in ('torch', 'sklearn', 'timm', 'torchvision', 'numpy') if m in sys.modules])"
    )
    code = code.replace("from bench.data import *; ", "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_survive_yaml_and_json():
    for given in (
        DataSettings.model_validate({"name": "cifar10", "mean": [0, 0.5, 1]}),
        AugmentSettings(scale=(0.5, 1), color_jitter=(0.1, 0.2, 0.3)),
    ):
        assert type(given).model_validate(given.model_dump(mode="json")) == given
        assert type(given).model_validate_json(given.model_dump_json()) == given
        assert hash(given) == hash(given.model_copy())
