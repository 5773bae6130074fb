"""What the Lab charges, and what it trains."""

import pytest
import torch

from bench import models
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.train.fit import Fit
from bench.train.lab import JobLab
from bench.train.session import Session
from tests.bench.train.fits_on_digits import SPEC, STEADY, digits, model, weights


@pytest.fixture
def lab(tmp_path):
    session = Session(JobDir(tmp_path), torch.device("cpu"))
    recipe = Recipe.model_validate(STEADY | {"steps": 2})
    return JobLab(session, digits(), seed=0, recipe=recipe, targets=[SPEC], load_teacher=None)


def test_images_are_charged_each_time_they_are_looked_at(lab):
    looks = [torch.cat(list(lab.batches(200, name="look"))) for _ in range(3)]
    assert all(look.shape == (200, 1, 8, 8) and look.equal(looks[0]) for look in looks)
    assert lab.session.costs["batches look"].images == 600 and lab.session.seen == {"images"}


def test_what_is_metered_twice_is_charged_twice(lab):
    network = model().eval()
    for _ in range(3):
        with lab.meter("forward"), torch.no_grad():
            network(torch.zeros(4, 1, 8, 8))
    assert lab.session.costs["meter forward"].flops == 3 * 4 * models.forward_flops(SPEC)
    assert lab.session.costs["meter forward"].seconds > 0


def test_accuracy_is_that_on_the_validation_part_and_is_charged(lab):
    """Counted image by image: 100 times the share of images whose largest logit is the label's."""
    network, val = model(), lab.data.val
    with torch.no_grad():
        images, labels = next(iter(val.batches([torch.arange(val.n)], epoch=0, seed=0)))
        right = sum(
            int(network(image[None])[0].argmax()) == int(label) for image, label in zip(images, labels, strict=True)
        )
    assert 0 < right < val.n
    for looks in (1, 2):
        network.train()
        assert lab.accuracy(network) == pytest.approx(100 * right / val.n, abs=1e-12) and network.training
        cost = lab.session.costs["meter accuracy"]
        assert (cost.images, cost.flops) == (looks * val.n, looks * val.n * models.forward_flops(SPEC))
    assert cost.seconds > 0 and lab.session.seen == {"images", "labels"}


@pytest.mark.parametrize(("fraction", "at_least", "images"), [(0.1, 0, 108), (0.1, 50, 108), (0.1, 300, 300)])
def test_a_part_of_the_images_has_a_smallest_number(fraction, at_least, images, lab):
    seen = lab.data.train.batches
    drawn = set()

    def batches(parts, **options):
        drawn.update(i for part in parts for i in part.tolist())
        return seen(parts, **options)

    lab.data.train.batches = batches
    lab.fit(model(), name="part", recipe={"steps": None, "epochs": 3}, fraction=fraction, at_least=at_least)
    assert images - 8 <= len(drawn) <= images  # the last, smaller batch of each epoch is left out


def test_more_images_than_there_are_are_all(lab):
    n = lab.data.train.n
    fit = Fit(lab.session, lab.data, model(), name="x", recipe=lab.recipe, seed=0, fraction=0.1, at_least=n + 1)
    assert len(fit.indices) == n


def test_only_the_parameters_asked_for_are_trained(lab):
    network = model()
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    lab.fit(network, name="head", params=network.head.parameters())
    changed = {name for name, p in network.named_parameters() if not p.equal(before[name])}
    assert changed == {"head.weight", "head.bias"} and all(p.requires_grad for p in network.parameters())


def test_a_module_is_trained_by_several_fits_and_each_is_restored_as_it_was(lab, tmp_path):
    """Interrupted in the second, the replay finds after the first what there was, not what the second made of it."""
    network = model()
    lab.fit(network, name="first")
    between = weights(network)
    lab.fit(network, name="second", recipe={"lr": 0.1})
    assert not torch.equal(weights(network), between)
    lab.session.save(None)
    again, replayed = (
        model(),
        JobLab(
            Session(lab.session.folder, lab.device),
            lab.data,
            seed=0,
            recipe=lab.recipe,
            targets=[SPEC],
            load_teacher=None,
        ),
    )
    replayed.fit(again, name="first")
    assert torch.equal(weights(again), between)
    replayed.fit(again, name="second", recipe={"lr": 0.1})
    assert torch.equal(weights(again), weights(network))


def test_no_parameters_are_not_all_of_them(lab):
    network = model()
    before = network.head.weight.detach().clone()
    with pytest.raises(ValueError, match="empty parameter list"):
        lab.fit(network, name="nothing", params=[])
    assert network.head.weight.equal(before) and all(p.requires_grad for p in network.parameters())
