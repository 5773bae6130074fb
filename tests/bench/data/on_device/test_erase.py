"""Boxes that are drawn in one place and filled in another are what timm does to each image for itself, to the bit."""

import random

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from bench.data import load
from bench.data.boxes import Boxes
from bench.data.on_device import erase as module
from bench.data.on_device.erase import Erase
from bench.data.settings import AugmentSettings
from bench.randomness import generators
from tests.bench.data.on_device.plain_erase import plain_erase
from tests.bench.data.small_folder import batches, settings

DEVICES = [torch.device(name) for name in ("cpu", "cuda") if name == "cpu" or torch.cuda.is_available()]


def states(device):
    """Of all generators that the caller may draw from."""
    of_torch = [generator.get_state().tolist() for generator in generators(device)]
    return random.getstate(), np.random.get_state()[1].tolist(), of_torch


@pytest.mark.parametrize("device", DEVICES, ids=str)
@given(
    probability=st.sampled_from([0.0, 0.01, 0.25, 0.5, 1.0]) | st.floats(0, 1),
    mode=st.sampled_from(["const", "rand", "pixel"]),
    count=st.integers(1, 3),
    seed=st.integers(0, 2**63 - 1),
    epoch=st.integers(0, 300),
    indices=st.lists(st.integers(0, 2**40), max_size=24),
    side=st.integers(4, 20),
)
@example(probability=0.5, mode="pixel", count=1, seed=0, epoch=0, indices=list(range(200)), side=16)
def test_it_is_the_plain_loop_to_the_bit(device, probability, mode, count, seed, epoch, indices, side):
    augment = AugmentSettings(re_prob=probability, re_mode=mode, re_count=count)
    images = torch.rand(len(indices), 3, side, side + 1, generator=torch.Generator().manual_seed(seed)).to(device)
    order = torch.tensor(indices, dtype=torch.int64)
    expected = plain_erase(images.clone(), order, augment, device, epoch=epoch, seed=seed)
    before = states(device)
    boxes = Boxes(augment, (3, side, side + 1))(order, epoch=epoch, seed=seed)
    erased = Erase(augment, device)(images, boxes, order, epoch=epoch, seed=seed)
    assert erased is images and torch.equal(erased, expected)
    assert states(device) == before


def test_what_has_no_boxes_asks_no_generator(monkeypatch):
    images, order = torch.ones(40, 1, 16, 16), torch.arange(40)
    augment = AugmentSettings(re_prob=0.25)
    boxes, erase = Boxes(augment, (1, 16, 16))(order, epoch=0, seed=0), Erase(augment, torch.device("cpu"))
    asked = []
    monkeypatch.setattr(module, "generators", lambda device: asked.append(device) or generators(device))
    assert (erase(images, boxes[:0], order, epoch=0, seed=0) == 1).all() and asked == []
    changed = (erase(images, boxes, order, epoch=0, seed=0) != 1).flatten(1).any(1)
    assert (
        asked and changed.nonzero().flatten().tolist() == sorted(set(boxes[:, 0].tolist())) and 3 < changed.sum() < 17
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_erased_as_by_the_plain_loop(workers, folder):
    order, where = torch.arange(68).flip(0).split(9), {"epoch": 3, "seed": 5}
    augment = AugmentSettings(crop="rrc", re_prob=0.5, re_count=2)
    dataset = load(settings(folder, workers=workers))
    (whole, _), (erased, _) = (
        batches(dataset.train, order, augment=chosen, **where)
        for chosen in (augment.model_copy(update={"re_prob": 0.0}), augment)
    )
    dataset.close()
    assert torch.equal(erased, plain_erase(whole, torch.cat(order), augment, torch.device("cpu"), **where))
