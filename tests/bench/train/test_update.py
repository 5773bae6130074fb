"""What an update does beyond a plain step: parts of a batch, averaged weights, repeated draws, scaled rates."""

from dataclasses import replace

import pytest
import torch
from pydantic import ValidationError
from timm.utils import ModelEmaV3
from torch.nn.functional import cross_entropy

from bench.data import DataSettings
from bench.data.memory import TensorSplit
from bench.recipes.recipe import Recipe
from bench.train.session import Interrupted
from bench.train.update import Average
from methods.sws import shared_vit
from methods.testing import perturbed
from methods.vit import build_vit
from tests.bench.device_waits import Waits
from tests.bench.train.fits_on_digits import SPEC, digits, fit, model, trained, weights


@pytest.mark.parametrize("parts", [2, 4, 50])
def test_a_batch_in_parts_is_the_same_batch(parts, tmp_path):
    """Also where the parts are unequal (50 in 4: 13, 13, 13, 11), with mixing, which is drawn for the whole batch."""
    same = {"steps": 6, "mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1}
    whole, split = trained(tmp_path / "a", **same), trained(tmp_path / "b", accumulate=parts, **same)
    assert torch.allclose(whole, split, atol=2e-5) and not torch.equal(whole, weights(model()))


def test_the_reported_loss_is_of_the_whole_batch(tmp_path):
    losses = []
    for parts in (1, 4):
        made = fit(tmp_path / str(parts), model(), {"steps": 1, "accumulate": parts})
        made.prepare()
        images, labels = next(iter(made.data.train.batches(made.order(0)[:1], epoch=0, seed=0)))
        losses.append(made.update(0, images, labels).item())
        if parts == 1:
            assert losses[0] == pytest.approx(cross_entropy(model()(images), labels).item(), rel=1e-6)
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_no_more_parts_than_images():
    with pytest.raises(ValidationError, match="accumulate 9 is more than batch_size 8"):
        Recipe(batch_size=8, accumulate=9)


def test_images_are_mixed_in_pairs(tmp_path):
    """A batch that is odd only because there are no more images leaves one out; one that was asked for is an error."""
    made = fit(tmp_path, model(), {"steps": 1, "mixup": 0.8}, fraction=31 / 1077)
    assert len(made.indices) % 2 == 1 and made.batch == len(made.indices) - 1
    made.run()
    with pytest.raises(ValidationError, match="batch_size 33 must be even"):
        Recipe(batch_size=33, cutmix=1.0)


def test_average_of_the_weights(tmp_path):
    """timm's rule: a copy at the first step, from then on decay * average + (1 - decay) * weights."""
    after = {steps: trained(tmp_path / str(steps), steps=steps) for steps in (1, 2, 3)}
    average = 0.75 * (0.75 * after[1] + 0.25 * after[2]) + 0.25 * after[3]
    assert torch.allclose(trained(tmp_path / "ema", steps=3, ema=0.75), average, atol=1e-6)
    assert torch.equal(trained(tmp_path / "raw", steps=3, ema=0.75, ema_eval=False), after[3])


def test_a_block_that_layers_share_is_averaged_once_a_step():
    """Once it was as often as there are layers: 0.9^3 = 0.729 of the average was left, not 0.9."""
    shared, plain = shared_vit(model(), [3, 1]), model()
    for module in (shared, plain):
        average = Average(module, decay=0.9)
        with torch.no_grad():
            for p in average.module.parameters():
                p.fill_(1.0)
            for p in module.parameters():
                p.zero_()
        average.update(module, step=2)
        assert all(torch.equal(p, torch.full_like(p, 0.9)) for p in average.module.parameters())


def test_a_fit_averages_what_layers_share_as_all_else(tmp_path):
    def trained_sharing(**recipe):
        module = shared_vit(model(), [3, 1])
        fit(tmp_path / str(recipe), module, recipe).run()
        return weights(module)

    after = {steps: trained_sharing(steps=steps) for steps in (1, 2, 3)}
    average = 0.75 * (0.75 * after[1] + 0.25 * after[2]) + 0.25 * after[3]
    assert torch.allclose(trained_sharing(steps=3, ema=0.75), average, atol=1e-6)


def test_the_average_of_what_shares_nothing_is_timms(tmp_path):
    module, buffered = model(), torch.nn.BatchNorm1d(3)  # its counter is no float
    for source in (module, buffered):
        averages = Average(source, decay=0.75), ModelEmaV3(source, decay=0.75)
        for step in range(1, 4):
            with torch.no_grad():
                for tensor in source.state_dict().values():
                    tensor.add_(step)
            for average in averages:
                average.update(source, step=step)
        ours, timms = (average.module.state_dict() for average in averages)
        assert all(tensor.equal(timms[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("wish", [True, False])
def test_which_weights_are_evaluated(wish, tmp_path):
    seen = []

    def evaluate(module):
        seen.append(weights(module))
        return {"top1": 0.0}

    module = model()
    fit(tmp_path, module, {"steps": 3, "ema": 0.75, "ema_eval": wish}, evaluate=evaluate).run()
    assert torch.equal(seen[0], weights(model())) and torch.equal(seen[-1], weights(module))
    assert torch.equal(seen[-1], trained(tmp_path / "other", steps=3)) is not wish


@pytest.mark.parametrize("wish", [True, False])
def test_the_average_survives_an_interruption(wish, tmp_path):
    recipe = {"steps": 8, "ema": 0.9, "ema_eval": wish, "accumulate": 2}
    straight, whole = model(), None

    def loss(module, images, labels):
        if whole is not None and whole.step == 4:
            whole.session.stop = True
        return cross_entropy(module(images), labels)

    fit(tmp_path / "a", straight, recipe, loss=loss).run()
    whole = fit(tmp_path / "b", model(), recipe, loss=loss)
    with pytest.raises(Interrupted, match="step 5 of 8"):
        whole.run()
    whole, resumed = None, model()
    fit(tmp_path / "b", resumed, recipe, loss=loss).run()
    assert torch.equal(weights(straight), weights(resumed))


def test_repeats_are_in_a_row_and_an_epoch_keeps_its_length(tmp_path):
    data = digits()
    once, thrice = (fit(tmp_path / str(n), model(), {"repeats": n}, data) for n in (1, 3))
    assert once.per_epoch == thrice.per_epoch == len(thrice.order(0))
    seen = torch.cat(thrice.order(1))
    assert torch.equal(seen[::3] % data.train.n, torch.cat(once.order(1))[: len(seen[::3])])
    assert torch.equal(seen[:30].view(10, 3) % data.train.n, seen[:30:3, None].expand(10, 3))
    assert len(set(seen.tolist())) == len(seen)  # every draw is another one


def test_rate_by_batch(tmp_path):
    made = fit(tmp_path, model(), {"lr": 5e-4, "lr_batch": 512, "batch_size": 64, "steps": 1})
    made.prepare()
    made.update.schedule.step_update(0)
    assert {group["lr"] for group in made.update.optimizer.param_groups} == {5e-4 * 64 / 512}
    assert Recipe(lr=0.1).peak_lr == 0.1


STEP = {"batch_size": 32, "mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1, "drop_path": 0.2, "clip_grad": 1.0}


@pytest.mark.parametrize("loss", ["ce", "kd", "kd of others' images"])
@pytest.mark.parametrize("changes", [{}, {"ema": 0.9, "accumulate": 2, "precision": "bf16"}, {"optimizer": "nesterov"}])
def test_nothing_in_a_step_waits_for_the_device(loss, changes, tmp_path):
    """Mixing, loss, gradients and the optimiser, as a GPU would see them: none of it asks for a value."""
    options = {}
    if loss != "ce":
        options = {"loss": "kd", "teacher": perturbed(SPEC, seed=1).eval().requires_grad_(False)}
        if loss != "kd":
            options["teacher"].pretrained_cfg = {"mean": (0.5,), "std": (0.5,)}
    made = fit(tmp_path, model(), STEP | {"steps": 8} | changes, **options)
    made.prepare()
    batches = list(made.batches(made.order(0)[:8], 0))
    made.task.train()
    with Waits() as waits:
        for step, (images, labels) in enumerate(batches):
            made.step = step
            made.update(step, *made.mixed(images, labels))
    assert waits.seen == []
    with Waits() as waits:
        torch.ones(3)[torch.ones(3) > 0].sum().item()
    assert len(waits.seen) == 2, "they would be seen"


def test_the_layout_of_images_changes_nothing(tmp_path, monkeypatch):
    recipe = {"steps": 4, "mixup": 0.8, "cutmix": 1.0, "accumulate": 2, "augment": {"shift": 1}}
    settings = DataSettings(name="any", source="folder", img_size=8, in_memory=True)
    pixels = torch.randint(0, 256, (200, 3, 8, 8), dtype=torch.uint8)
    found = {}
    for name, layout in (("first", torch.contiguous_format), ("last", torch.channels_last)):
        monkeypatch.setattr("bench.data.on_device.normalise.layout", lambda device, layout=layout: layout)
        split = TensorSplit(pixels, torch.arange(200) % 10, settings, torch.device("cpu"))
        data, module, seen = replace(digits(), train=split), coloured(), []
        module.patch_embed.register_forward_pre_hook(lambda _, images, seen=seen: seen.append(images[0]))
        fit(tmp_path / name, module, recipe, data).run()
        assert all(images.is_contiguous(memory_format=layout) for images in seen if images.device.type == "cpu")
        found[name] = weights(module)
    torch.testing.assert_close(found["first"], found["last"], rtol=1e-4, atol=1e-5)


def coloured():
    torch.manual_seed(0)
    return build_vit(replace(SPEC, in_chans=3))
