"""What of timm's tasks is made otherwise here."""

import pytest
import torch
import torch.nn.functional as F
from timm.task import LogitDistillationTask

from bench.recipes.recipe import Recipe
from bench.train.task import make_optimizer, make_schedule, make_task
from methods.parts.templates import MATRICES, layout
from methods.parts.wave_model import TemplatedVit, fresh_scalers, fresh_templates
from methods.testing import perturbed
from tests.bench.train.fits_on_digits import SPEC, digits, model


def test_a_teacher_leaves_nothing_behind_and_its_loss_is_the_same():
    seen = []
    student, teacher, data = model(), perturbed(SPEC, seed=1).eval().requires_grad_(False), digits()
    teacher.blocks.register_forward_hook(lambda *_: seen.append(torch.is_inference_mode_enabled()))
    recipe = Recipe.model_validate({"distill": {"kl": 0.5, "ce": 2.0, "temperature": 3.0}})
    task = make_task(student, "kd", recipe, teacher, {"mean": data.mean, "std": data.std}, torch.device("cpu"))
    images, labels = next(data.test.batches([torch.arange(40)], epoch=0, seed=0))
    loss = task(images, labels)["loss"]
    assert seen == [True]
    loss.backward()
    assert all(p.grad is not None for p in student.parameters())
    with torch.no_grad():
        said, taught = (F.log_softmax(m(images) / 3, dim=-1) for m in (student, teacher))
        expected = 2 * F.cross_entropy(student(images), labels)
        expected += 0.5 * 9 * F.kl_div(said, taught, reduction="batchmean", log_target=True)
    assert torch.equal(loss, expected)


@pytest.mark.parametrize(
    ("decay", "dense", "scalers"), [(True, 0.35, 0.86), (False, 0.59, 1.0)], ids=["both", "templates"]
)
def test_how_weights_made_of_templates_decay(decay, dense, scalers):
    """What wave's docstring says of the digits suites' recipe: what is left of weights without any gradient."""
    digits_recipe = {"lr": 3e-3, "warmup_epochs": 5, "weight_decay": 0.3}
    groups = layout(SPEC, dict.fromkeys(MATRICES, 2), 4)
    draw = torch.Generator().manual_seed(0)

    def left(recipe, steps, per_epoch, of):
        parts = (make(groups, draw, 1.0) for make in (fresh_templates, fresh_scalers))
        module = TemplatedVit(model(), groups, "tile", *parts, decay_scalers=decay)
        optimizer = make_optimizer(module, Recipe.model_validate(recipe))
        schedule = make_schedule(optimizer, Recipe.model_validate(recipe), steps, per_epoch)
        before = of(module)
        for p in module.parameters():
            p.grad = torch.zeros_like(p)
        for step in range(steps):
            schedule.step_update(step)
            optimizer.step()
        return (of(module) / before).mean().item()

    epoch = 1077 // 32
    weight = left(digits_recipe, 40 * epoch, epoch, lambda m: m.materialize()["blocks.0.mlp.fc1.weight"])
    scaler = left({"lr": 1e-2, "weight_decay": 0.3}, 100, 3, lambda m: m.scalers["fc1"].detach().clone())
    assert (round(weight, 2), round(scaler, 2)) == (dense, scalers)


@pytest.mark.parametrize(
    ("warmup", "highest"),
    [({}, 0), ({"warmup_epochs": 2}, 14), ({"warmup_epochs": 2, "warmup_steps": 5}, 5), ({"warmup_steps": 99}, None)],
)
def test_warm_up_in_steps_replaces_epochs(warmup, highest):
    """Where it ends is the first step at the cosine's height; one as long as the fit never ends."""
    recipe = Recipe.model_validate({"lr": 1.0, "schedule": "constant", **warmup})
    optimizer = make_optimizer(model(), recipe)
    schedule = make_schedule(optimizer, recipe, total=20, per_epoch=7)
    rates = []
    for step in range(20):
        schedule.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert [step for step, rate in enumerate(rates) if rate == 1.0][:1] == ([] if highest is None else [highest])


def test_a_teacher_sees_images_as_it_was_trained_on_them():
    """timm's own formula, to the last bit."""
    data = digits()
    student, teacher = model(), perturbed(SPEC, seed=1).eval().requires_grad_(False)
    teacher.pretrained_cfg = {"mean": (0.25,), "std": (0.75,)}
    recipe = Recipe.model_validate({"distill": {"kl": 1.0}})
    task = make_task(student, "kd", recipe, teacher, {"mean": data.mean, "std": data.std}, torch.device("cpu"))
    images, labels = next(data.test.batches([torch.arange(40)], epoch=0, seed=0))
    plain = LogitDistillationTask(
        student, teacher, task.criterion, distill_loss_weight=1.0, task_loss_weight=0.0, verbose=False
    )
    assert torch.equal(task(images, labels)["loss"], plain(images, labels)["loss"])
    teacher.pretrained_cfg = {"mean": data.mean, "std": data.std}
    same = make_task(student, "kd", recipe, teacher, {"mean": data.mean, "std": data.std}, torch.device("cpu"))
    assert not torch.equal(task(images, labels)["loss"], same(images, labels)["loss"])
