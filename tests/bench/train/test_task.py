"""What of timm's tasks is made otherwise here."""

import torch
import torch.nn.functional as F
from timm.task import LogitDistillationTask

from bench.recipes.recipe import Recipe
from bench.train.task import make_task
from methods.testing import perturbed
from tests.bench.train.fits import SPEC, digits, model


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
