"""Further draws of a sample: repeated augmentation."""

import pytest
import torch

from bench.data import AugmentSettings, DataSettings, load
from tests.bench.data.small_folder import batches, settings


@pytest.mark.parametrize("held", [True, False])
def test_an_index_beyond_the_last_is_another_draw(held, folder):
    data = load(DataSettings.model_validate("digits") if held else settings(folder))
    augment = AugmentSettings(shift=2) if held else AugmentSettings(crop="rrc", hflip=0.5)
    n, index = data.train.n, torch.arange(20)
    draws = [batches(data.train, [index + r * n], epoch=1, seed=5, augment=augment) for r in range(3)]
    assert all(torch.equal(labels, data.train.labels[:20]) for _, labels in draws)
    assert not torch.equal(draws[0][0], draws[1][0]) and not torch.equal(draws[1][0], draws[2][0])
    together, _ = batches(data.train, [torch.cat([index + n, index])], epoch=1, seed=5, augment=augment)
    assert torch.equal(together, torch.cat([draws[1][0], draws[0][0]]))
    plain = [batches(data.train, [index + r * n], epoch=1, seed=5)[0] for r in range(2)]
    assert torch.equal(*plain)
