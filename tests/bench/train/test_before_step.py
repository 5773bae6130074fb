"""A fit whose steps each train what was chosen before: a function of the step, charged as what it is."""

import pytest
import torch

from bench import models
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.train import flops
from bench.train.lab import JobLab
from bench.train.session import Interrupted, Session
from methods.parts.elastic import ElasticVit
from methods.vit import build_vit
from tests.bench.train.fits_on_digits import SPEC, STEADY, digits, fit, model, weights
from tests.bench.train.processes_together import together

SIZES = [SPEC.replace(depth=1), SPEC.replace(embed_dim=4, num_heads=1), SPEC]
STEPS = 12


class Chooses:
    """Trains one of `SIZES` in each step."""

    def __init__(self):
        torch.manual_seed(0)
        self.module, self.steps, self.keys = ElasticVit(build_vit(SPEC), SPEC, SIZES), [], []

    def __call__(self, step, generator):
        self.steps.append(step)
        self.keys.append(self.module.choose([int(torch.randint(len(SIZES), (1,), generator=generator))]))
        return self.keys[-1]

    def fit(self, folder, group=None, **recipe):
        recipe = {"steps": STEPS, "batch_size": 50} | recipe
        return fit(folder, self.module, recipe, group=group, before_step=self)


def test_each_step_trains_what_was_chosen_for_it(tmp_path):
    chooses = Chooses()
    trained = chooses.fit(tmp_path)
    trained.run()
    assert chooses.steps == list(range(STEPS)) and len(set(chooses.keys)) == len(SIZES)
    assert trained.cost.flops == sum(models.train_flops(SIZES[key]) * 50 for (key,) in chooses.keys)
    again = Chooses()
    again.fit(tmp_path / "again").run()
    assert again.keys == chooses.keys and weights(again.module).equal(weights(chooses.module))


def test_flops_are_counted_once_for_what_is_chosen(tmp_path, monkeypatch):
    counted, count = [], flops.step
    monkeypatch.setattr(flops, "step", lambda *given: counted.append(given) or count(*given))
    chooses = Chooses()
    chooses.fit(tmp_path).run()
    assert len(counted) == len(set(chooses.keys)) == 3


def test_a_resumed_fit_chooses_as_one_that_was_never_stopped(tmp_path):
    whole = Chooses()
    whole.fit(tmp_path / "whole").run()
    first = Chooses()
    stopped = first.fit(tmp_path / "parts")
    step = stopped.one_step

    def one_step(*batch):
        step(*batch)
        stopped.session.stop |= stopped.step == 5

    stopped.one_step = one_step
    with pytest.raises(Interrupted):
        stopped.run()
    second = Chooses()
    second.fit(tmp_path / "parts").run()
    assert first.keys + second.keys == whole.keys and second.steps[0] == 5
    assert weights(second.module).equal(weights(whole.module))


def in_a_group(group, folder):
    chooses = Chooses()
    trained = chooses.fit(folder, group)
    trained.run()
    return chooses.keys, weights(chooses.module), trained.cost.flops


def test_processes_choose_alike(tmp_path):
    """Also blocks that a step leaves out, and so have no gradient in it."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    alone = together(1, in_a_group, tmp_path / "one")[0]
    for keys, trained, count in together(2, in_a_group, tmp_path / "two"):
        assert (keys, count) == (alone[0], alone[2])
        assert torch.allclose(trained, alone[1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["ce", "kd", "function"])
def test_with_every_loss_of_the_lab(loss, tmp_path):
    chooses = Chooses()
    recipe = Recipe.model_validate(STEADY | {"steps": 4, "batch_size": 50, "distill": {"kl": 1.0, "ce": 1.0}})
    session = Session(JobDir(tmp_path), torch.device("cpu"))
    lab = JobLab(session, digits(), seed=0, recipe=recipe, targets=[SPEC], load_teacher=model)

    def function(module, images, labels):
        return sum(torch.nn.functional.cross_entropy(x, labels) for x in module.all_logits(images))

    lab.fit(chooses.module, name="fit", loss=function if loss == "function" else loss, before_step=chooses)
    expected = sum(models.train_flops(SIZES[key]) * 50 for (key,) in chooses.keys)
    expected += 4 * 50 * models.forward_flops(SPEC) if loss == "kd" else 0
    assert session.costs["fit"].flops == expected and len(chooses.keys) == 4


def test_an_elastic_net_has_no_stochastic_depth(tmp_path):
    """Its sub-networks are not registered, so a recipe's drop_path finds no blocks: the same whatever it says."""
    trained = []
    for rate in (0.0, 0.9):
        chooses = Chooses()
        chooses.fit(tmp_path / str(rate), drop_path=rate).run()
        trained.append(weights(chooses.module))
    assert trained[0].equal(trained[1])
