"""What must be equal on a GPU. Skipped where there is none."""

import pytest
import torch

from bench.data import AugmentSettings, DataSettings, load
from bench.randomness import uniform
from tests.bench.data.small_folder import batches, settings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_random_numbers_are_the_same_bits():
    indices = torch.arange(10_000)
    assert torch.equal(uniform(3, 4, indices.cuda(), 3).cpu(), uniform(3, 4, indices, 3))


@pytest.mark.parametrize("kind", ["digits", "folder"])
def test_batches_are_on_the_device_and_the_same(kind, folder):
    data = DataSettings.model_validate("digits") if kind == "digits" else settings(folder, workers=2)
    if kind == "digits":
        augment = AugmentSettings(shift=1, hflip=0.5)
    else:  # noise is drawn on the device, by another generator there; where it would be is drawn on the CPU
        augment = AugmentSettings(crop="rrc", re_prob=0.5, re_mode="const")
    order = torch.arange(30).flip(0).split(7)
    results = []
    for device in ("cpu", "cuda"):
        dataset = load(data, device)
        results.append(batches(dataset.train, order, epoch=1, seed=2, augment=augment))
        assert all(x.device.type == device for x in results[-1])
        dataset.close()
    (images, labels), (images_gpu, labels_gpu) = results
    assert torch.allclose(images, images_gpu.cpu(), atol=1e-6) and torch.equal(labels, labels_gpu.cpu())
