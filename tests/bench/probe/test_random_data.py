"""Random images in the shape of a data set, and the time between their batches."""

import pytest
import torch

from bench.data import DataSettings, describe
from bench.probe.random_data import random_data

CPU = torch.device("cpu")


@pytest.fixture
def data():
    settings = DataSettings.model_validate("digits")
    return random_data(settings, describe(settings), CPU)


def order(*sizes):
    return [torch.arange(size) for size in sizes]


def test_they_have_the_shape_and_the_counts_of_the_data_set(data):
    counts = data.description.counts
    for part in ("train", "val", "test"):
        split = getattr(data, part)
        assert split.n == counts[part] == len(split.labels) and 0 <= split.labels.min() <= split.labels.max() < 10
    ((images, labels),) = data.train.batches(order(7), epoch=0, seed=0)
    assert images.shape == (7, 1, 8, 8) and labels.shape == (7,)


def test_every_batch_shows_the_same_images_and_takes_no_work(data):
    first, second, third = (images for images, _ in data.train.batches(order(4, 6, 4), epoch=0, seed=0))
    assert third.equal(second[:4]) and first.shape == third.shape
    assert third.data_ptr() == second.data_ptr(), "nothing is drawn or copied where the images suffice"


def test_more_images_than_there_are_come_round_again(data):
    n = data.val.n
    ((_, labels),) = data.val.batches(order(n + 3), epoch=0, seed=0)
    assert labels[n:].equal(data.val.labels[:3])


def test_the_clock_is_read_after_those_to_skip_and_at_the_end(data, monkeypatch):
    """Its work is what is done with a batch; here it is one second a batch, and the first two take long."""
    now = [0.0]
    monkeypatch.setattr(data.train, "now", lambda: now[0])
    data.train.time(2, 5)
    for number, _ in enumerate(data.train.batches(order(*[3] * 8), epoch=0, seed=0)):
        now[0] += 100.0 if number < 2 else 1.0
    assert data.train.seconds == 3.0, "batches 2, 3 and 4: the sixth and later are not in it"


def test_the_clock_goes_on_over_several_rounds_of_batches(data, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(data.train, "now", lambda: now[0])
    data.train.time(1, 4)
    for epoch in range(2):
        for _ in data.train.batches(order(3, 3), epoch=epoch, seed=0):
            now[0] += 1.0
    assert data.train.seconds == 3.0
