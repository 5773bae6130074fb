import pytest
import torch

from bench.data import DataSettings
from bench.data.on_device.normalise import Normalise, layout

CHANNELS = {1: ((0.31,), (0.35,)), 3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}


@pytest.mark.parametrize("white", [16, 255])
@pytest.mark.parametrize("channels", CHANNELS)
def test_every_pixel_value_in_every_channel(channels, white):
    mean, std = CHANNELS[channels]
    settings = DataSettings(name="any", source="folder", in_chans=channels, mean=mean, std=std)
    pixels = torch.arange(256, dtype=torch.uint8).view(2, 1, 8, 16).expand(2, channels, 8, 16).contiguous()
    before = pixels.clone()
    found = Normalise(settings, torch.device("cpu"), white)(pixels)
    exact = (pixels.double() / white - torch.tensor(mean).view(-1, 1, 1).double()) / torch.tensor(std).view(-1, 1, 1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact.float(), rtol=1e-6, atol=1e-5)
    assert torch.equal(pixels, before), "what is held in memory is not to be written to"


def test_channels_are_last_on_a_gpu(monkeypatch):
    assert layout(torch.device("cuda", 0)) == torch.channels_last and layout(torch.device("cpu")) != torch.channels_last
    settings, cpu = DataSettings(name="any", source="folder"), torch.device("cpu")
    pixels = torch.randint(0, 256, (2, 3, 4, 5), dtype=torch.uint8)
    usual = Normalise(settings, cpu)(pixels)
    monkeypatch.setattr("bench.data.on_device.normalise.layout", lambda device: torch.channels_last)
    found = Normalise(settings, cpu)(pixels)
    assert found.is_contiguous(memory_format=torch.channels_last) and torch.equal(found, usual)


@pytest.mark.parametrize("shape", [(3, 1, 4, 5), (3, 3, 4, 5)])
def test_layout_on_the_cpu_is_left_alone(shape):
    """Results are the same bits only if it is."""
    settings = DataSettings(
        name="any", source="folder", in_chans=shape[1], mean=(0.5,) * shape[1], std=(0.5,) * shape[1]
    )
    pixels = torch.zeros(shape, dtype=torch.uint8)
    for given in (pixels, pixels.to(memory_format=torch.channels_last), pixels.transpose(2, 3)):
        assert Normalise(settings, torch.device("cpu"))(given).stride() == given.float().stride()
