"""Classifiers that are no plain ViT: distilled from, on images as they were trained on them."""

import pytest
import torch

from bench import models
from bench.jobs.parts.artifacts import load_model
from bench.recipes.recipe import Recipe
from bench.train import flops
from bench.train.task import make_task
from methods import Learngene
from methods.vit import VitSpec, build_vit
from tests.bench.jobs.weights_from_elsewhere import data, made, run, saved

ANCESTORS = """
  vit: {model: {embed_dim: 24, depth: 2, num_heads: 2, patch_size: 8}, train: {epochs: 0}}
  resnet: {model: {timm: test_resnet, checkpoint: FILE}TRAIN}
teacher: resnet"""
SWS = "{sws: {stages: 1, train: {epochs: 1, batch_size: 16}}}"


@pytest.fixture(scope="module")
def taught(tmp_path_factory, images):
    """(the resnet, results of a suite that distils from it)"""
    folder = tmp_path_factory.mktemp("taught")
    model, file = saved(folder, "test_resnet", num_classes=3)
    code, results = run(folder, images, ANCESTORS.replace("FILE", str(file)).replace("TRAIN", ""), methods=SWS)
    assert code == 0
    return model, results


def native(images):
    """(test images as the resnet was trained on them, the same as the data set normalises them, labels)"""
    here = data(images)
    pictures, labels = next(here.test.batches([torch.arange(24)], epoch=0, seed=0))
    mean, std = (torch.tensor(v)[:, None, None] for v in (here.mean, here.std))
    return (pictures * std + mean - 0.5) / 0.5, pictures, labels


def test_it_is_evaluated_on_images_as_it_knows_them(taught, images):
    model, results = taught
    result, _ = made(results, prefix="test_resnet")
    own, _, labels = native(images)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(model(own), labels)
    assert result["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert result["timm_model"] == "test_resnet" and "spec" not in result and result["head"] == "kept"


def test_it_teaches_on_images_as_it_knows_them(taught, images):
    model, results = taught
    result, folder = made(results, prefix="test_resnet")
    teacher = load_model(folder / "weights.safetensors", result)
    student = build_vit(VitSpec(img_size=32, num_classes=3, embed_dim=24, num_heads=2, patch_size=8, depth=1))
    recipe, here = Recipe(distill={"kl": 1.0}), data(images)
    task = make_task(student, "kd", recipe, teacher, {"mean": here.mean, "std": here.std}, torch.device("cpu"))
    own, pictures, labels = native(images)
    with torch.no_grad():
        seen = task.teacher(task.teacher.normalize_input(pictures, task.student_mean, task.student_std))
        assert torch.allclose(seen, model(own), rtol=1e-4)
        assert (model(pictures) - model(own)).abs().max() > 1e-2 * model(own).abs().max()
        student_log, teacher_log = student(pictures).log_softmax(1), model(own).log_softmax(1)
        want = (teacher_log.exp() * (teacher_log - student_log)).sum(1).mean()
        assert task(pictures, labels)["loss"].item() == pytest.approx(want.item(), rel=1e-4)


def test_its_cost_is_counted(taught):
    model, results = taught
    result, _ = made(results, prefix="test_resnet")
    gene, _ = made(results, "learngene")
    convolutions = flops.forward(model, torch.zeros(1, 3, 32, 32))
    assert result["forward_flops"] == convolutions > 1e6
    assert gene["needs"] == ["ancestor", "images", "teacher"]
    vit, _ = made(results, prefix="L2")
    images = 94 // 16 * 16
    aux = models.train_flops(VitSpec(**vit["spec"]))
    assert gene["cost"]["images"] == images
    assert gene["cost"]["flops"] == pytest.approx(images * (aux + convolutions))


def test_its_classes_are_not_known_so_the_head_learned_from_it_stays(taught, images):
    _, results = taught
    _, folder = made(results, "learngene")
    assert Learngene.load(folder / "learngene.safetensors").meta["classes"] is None


def test_a_fresh_head_teaches_nothing(tmp_path, images, capsys):
    _, file = saved(tmp_path, "test_resnet", num_classes=7)
    ancestors = ANCESTORS.replace("FILE", str(file)).replace("TRAIN", "")
    code, results = run(tmp_path, images, ancestors, methods=SWS)
    assert code == 1 and "has a fresh head, of the 3 classes here" in capsys.readouterr().out
    assert made(results, prefix="test_resnet")[0]["head"] == "fresh"


def test_it_can_be_fine_tuned_first(tmp_path, images):
    _, file = saved(tmp_path, "test_resnet", num_classes=7)
    train = ", train: {epochs: 1, batch_size: 16, lr: 1.0e-3}"
    ancestors = ANCESTORS.replace("FILE", str(file)).replace("TRAIN", train)
    code, results = run(tmp_path, images, ancestors, methods=SWS)
    result, folder = made(results, prefix="test_resnet")
    assert code == 0 and result["head"] == "trained" and result["classes"] == data(images).class_id
    assert result["normalise"]["mean"] == list(data(images).mean) and result["cost"]["flops"] > 0
    _, pictures, labels = native(images)
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(load_model(folder / "weights.safetensors", result)(pictures), labels)
    assert result["loss"] == pytest.approx(loss.item(), rel=1e-4)


def test_images_of_a_size_it_cannot_take(tmp_path, images, capsys):
    _, file = saved(tmp_path, "levit_128s", num_classes=3)
    ancestors = ANCESTORS.replace("FILE", str(file)).replace("TRAIN", "").replace("test_resnet", "levit_128s")
    code, _ = run(tmp_path, images, ancestors, methods=SWS)
    assert code == 1 and "levit_128s cannot take images of 32 pixels" in capsys.readouterr().out
