"""Erasing does what timm does to each image for itself, bit for bit, without asking timm for images that stay."""

import random

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from timm.data.random_erasing import RandomErasing

from bench.data.on_device.erase import Erase
from bench.data.settings import AugmentSettings
from bench.randomness import generators
from tests.bench.data.on_device.plain_erase import plain_erase

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
    erased = Erase(augment, device)(images, order, epoch=epoch, seed=seed)
    assert erased is images and torch.equal(erased, expected)
    assert states(device) == before


def test_timm_is_called_for_images_that_are_erased_alone(monkeypatch):
    images, called, whole = torch.ones(400, 1, 16, 16), [], RandomErasing.__call__
    monkeypatch.setattr(RandomErasing, "__call__", lambda one, image: called.append(image) or whole(one, image))
    Erase(AugmentSettings(re_prob=0.25), torch.device("cpu"))(images, torch.arange(400), epoch=0, seed=0)
    changed = (images != 1).flatten(1).any(1)
    assert 60 < len(called) < 140 and len(called) == changed.sum()
