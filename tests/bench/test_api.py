"""The Lab for notebooks: the harness's own training and accounting over images in memory."""

import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import methods
from bench import api, models
from bench.data import DataSettings, load
from bench.errors import BenchError
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.train.lab import JobLab
from bench.train.session import Session
from methods.vit import VitSpec, build_vit
from tests.bench.train.fits_on_digits import weights

SPEC = VitSpec(embed_dim=16, depth=2, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)
RECIPE = {"epochs": 2, "batch_size": 50, "lr": 3e-3}
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def digits():
    return load(DataSettings.model_validate("digits"))


def part(split):
    """What models see of it."""
    images, labels = next(split.batches([torch.arange(split.n)], epoch=0, seed=0))
    return images, labels


def model(spec=SPEC):
    torch.manual_seed(0)
    return build_vit(spec)


def test_it_trains_as_a_job_does_bit_for_bit_and_charges_the_same(digits, tmp_path):
    lab = api.lab(part(digits.train), part(digits.val), recipe=RECIPE, device="cpu", seed=3)
    session = Session(JobDir(tmp_path), torch.device("cpu"))
    job = JobLab(session, digits, seed=3, recipe=Recipe().merged(RECIPE), targets=[], load_teacher=None)
    trained = [model(), model()]
    for one, module in zip((lab, job), trained, strict=True):
        one.fit(module, name="x", recipe={})
    assert torch.equal(weights(trained[0]), weights(trained[1]))
    images = 2 * (digits.train.n // 50) * 50
    assert lab.costs["x"].images == session.costs["x"].images == images
    assert lab.cost.flops == session.costs["x"].flops == images * models.train_flops(SPEC)
    assert lab.accuracy(trained[0]) == job.accuracy(trained[1]) > 15


def test_bytes_are_normalised_and_floats_are_not():
    pixels, labels = np.full((4, 1, 8, 8), 255, dtype=np.uint8), np.arange(4) % 2
    lab = api.lab((pixels, labels), (pixels, labels), mean=[0.5], std=[0.25], device="cpu")
    assert next(lab.batches(4, name="x")).unique().tolist() == pytest.approx([2.0])
    floats = torch.full((4, 1, 8, 8), 3.0)
    lab = api.lab((floats, labels), (floats, labels), mean=[0.5], std=[0.25], device="cpu")
    assert next(lab.batches(4, name="x")).unique().tolist() == [3.0] and lab.data.mean == (0.5,)


def test_a_name_comes_again_with_the_same_draws_and_a_cost_of_its_own(digits):
    lab = api.lab(part(digits.train), part(digits.val), recipe=RECIPE, device="cpu")
    trained = [model(), model(), model()]
    for module in trained:
        lab.fit(module, name="x", recipe={"steps": 3})
    assert torch.equal(weights(trained[0]), weights(trained[2]))
    assert {name: cost.images for name, cost in lab.costs.items()} == {"x (1)": 150, "x (2)": 150, "x": 150}
    assert lab.cost.images == 450


def test_one_lab_serves_methods_that_distil(digits):
    """Those whose trainings have one name, too; the ancestor stays as it was."""
    ancestor = model()
    recipe = {"steps": 2, "batch_size": 8}
    lab = api.lab(part(digits.train), part(digits.val), teacher=ancestor, recipe=recipe, device="cpu")
    assert lab.targets == [SPEC]
    before = weights(ancestor)
    for name in ("sws", "tleg"):
        init = methods.get(name, **({"stages": 2} if name == "sws" else {}))
        target = model()
        init.initialize(target, init.condense(ancestor, lab), lab)
    assert torch.equal(weights(ancestor), before) and all(p.requires_grad for p in ancestor.parameters())
    teacher = models.forward_flops(SPEC) * 16
    assert all(cost.images == 16 and cost.flops > teacher for cost in lab.costs.values()) and len(lab.costs) == 2


def test_never_the_cpu_in_silence(digits, monkeypatch):
    data = part(digits.train), part(digits.val)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for variable in ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.warns(UserWarning, match="computes on the CPU: CUDA_VISIBLE_DEVICES= hides all GPUs; device='cpu'"):
        assert api.lab(*data).device.type == "cpu"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(BenchError, match="CUDA_VISIBLE_DEVICES=0 gives a GPU to this process"):
        api.lab(*data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert api.lab(*data, device="cpu").device.type == "cpu"


@pytest.mark.parametrize(
    ("images", "labels", "classes", "message"),
    [
        (torch.zeros(4, 8, 8), torch.zeros(4).long(), None, r"images of train are \[4, 8, 8\]; expected \[n, channels"),
        (torch.zeros(4, 2, 8, 8), torch.zeros(4).long(), None, "with 1 or 3 channels"),
        (torch.zeros(4, 1, 8, 9), torch.zeros(4).long(), None, "channels, size, size"),
        (torch.zeros(4, 1, 8, 8).int(), torch.zeros(4).long(), None, "are torch.int32; expected uint8, or floats"),
        (torch.zeros(4, 1, 8, 8), torch.zeros(3).long(), None, r"4 images and labels \[3\]"),
        (torch.zeros(4, 1, 8, 8), torch.zeros(4), None, "expected a whole number for each image"),
        (torch.zeros(4, 1, 8, 8), -torch.ones(4).long(), None, "a label of train is -1; expected labels from 0"),
        (torch.zeros(4, 1, 8, 8), torch.arange(4), ["a", "b"], "a label is 3; expected labels from 0 to 1"),
        (torch.zeros(4, 3, 8, 8), torch.arange(4), None, r"are \(3, 8, 8\) in train and \(1, 8, 8\) in val"),
    ],
)
def test_what_cannot_be_trained_on_is_said(images, labels, classes, message):
    val = torch.zeros(2, 1, 8, 8), torch.arange(2)
    with pytest.raises(ValueError, match=message):
        api.lab((images, labels), val, classes=classes, device="cpu")


def test_the_example_of_the_docs_runs_and_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    (code,) = re.findall(r"<!-- tested -->\n```python\n(.*?)```", (DOCS / "library.md").read_text(), re.S)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    exec(compile(code.replace('"epochs": 3', '"epochs": 1'), "library.md", "exec"), {})
    wave, sws, cost = capsys.readouterr().out.splitlines()
    assert wave.startswith("wave ") and sws.startswith("sws ") and "'ancestor': 1500" in cost
    assert not list(tmp_path.iterdir())
