"""Several processes train as one does: the same losses, the same evaluation, the same file to go on from."""

import json

import pytest
import torch
from torch import nn

import bench.train.lab
import methods
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.train.evaluate import evaluate
from bench.train.fit import Fit
from bench.train.group import Group
from bench.train.lab import JobLab
from bench.train.session import Interrupted, NotFinite, Session
from methods.testing import perturbed
from methods.vit import build_vit
from tests.bench.train.fits_on_digits import SPEC, STEADY, digits, model, weights
from tests.bench.train.processes_together import together

CPU = torch.device("cpu")
STEPS = 20
RECIPES = {
    "ce": {},
    "uneven": {"batch_size": 37, "clip_grad": 0.5},
    "accumulate": {"batch_size": 50, "accumulate": 3, "ema": 0.9},
    "mixed": {"mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1, "repeats": 2, "augment": {"shift": 1, "hflip": 0.5}},
    "kd": {"mixup": 0.8, "cutmix": 1.0, "distill": {"kl": 1.0, "ce": 0.5, "temperature": 2.0}},
}


class Watched(Fit):
    """A fit that remembers its losses."""

    curves: dict[str, list[float]] = {}

    def finite(self, values):
        self.curves.setdefault(self.name, []).extend(values)
        super().finite(values)


def teacher():
    """Far from what a fresh student says: of a divergence near zero rounding leaves little."""
    return perturbed(SPEC, seed=1).eval().requires_grad_(False)


def session(folder, group):
    return Session(JobDir(folder), CPU, group=group)


def watched(group, folder, recipe, data, module=None, **options):
    recipe = Recipe.model_validate(STEADY | {"steps": STEPS} | recipe)
    if recipe.distill:
        options |= {"loss": "kd", "teacher": teacher()}
    return Watched(session(folder, group), data, module or model(), name="fit", recipe=recipe, seed=3, **options)


def curves(group, folder):
    """The losses of a fit by every recipe, and of all that two methods train; the evaluations and FLOPs besides."""
    Watched.curves, found, data = {}, {}, digits()
    for name, recipe in RECIPES.items():
        module = model()
        fit = watched(group, folder / name, recipe, data, module)
        fit.evaluate = lambda m: evaluate(m, data.test, CPU, group=group)
        evals = fit.run()
        found[name] = Watched.curves.pop("fit")
        found[f"{name} costs"] = [(e["images"], e["flops"]) for e in evals]
    bench.train.lab.Fit = Watched
    for name in ("wave", "sws"):
        options = {"wave": {"templates": 2, "template_size": 4, "scaler_steps": STEPS}, "sws": {"stages": 2}}[name]
        recipe = Recipe.model_validate({"steps": STEPS, "batch_size": 64, "mixup": 0.5})
        lab = JobLab(session(folder / name, group), data, seed=1, recipe=recipe, targets=[SPEC], load_teacher=teacher)
        method = methods.get(name, **options)
        gene = method.condense(teacher(), lab)
        if name == "wave":
            method.initialize(model(), gene, lab)
        found |= {f"{name} {fit}": curve for fit, curve in Watched.curves.items()}
        Watched.curves.clear()
    module = teacher()
    found["scores"] = evaluate(module, data.test, CPU, group=group)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return together(1, curves, tmp_path_factory.mktemp("one"))[0]


@pytest.mark.parametrize("world", [2, 3])
def test_the_same_curve_as_one_process(world, alone, tmp_path):
    """Augmented, mixed, accumulated, with batches that do not divide evenly; also where weights are generated."""
    for found in together(world, curves, tmp_path):
        assert found.keys() == alone.keys() and len(found) > 12
        for name, expected in alone.items():
            if name == "scores" or name.endswith("costs"):
                assert found[name] == expected, name
            else:
                assert len(expected) >= STEPS
                assert found[name] == pytest.approx(expected, rel=1e-5, abs=0), name


def interrupted(group, folder):
    """Half of a fit, stopped by a signal to one process; then its file is what goes on."""
    data = digits()
    fit = watched(group, folder, RECIPES["mixed"] | {"ema": 0.9}, data)
    step = fit.one_step

    def one_step(*batch):
        step(*batch)
        fit.session.stop |= fit.step == 7 and group.rank == group.world - 1

    fit.one_step = one_step
    Watched.curves = {}
    with pytest.raises(Interrupted) as stopped:
        fit.run()
    return Watched.curves["fit"], str(stopped.value), fit.session.folder.checkpoint.exists()


def resumed(group, folder):
    Watched.curves = {}
    watched(group, folder, RECIPES["mixed"] | {"ema": 0.9}, digits()).run()
    return Watched.curves["fit"]


def whole(group, folder):
    return resumed(group, folder / "whole")


@pytest.mark.parametrize(("before", "after", "stopped_at"), [(2, 1, 10), (1, 2, 7)])
def test_goes_on_with_another_number_of_processes(before, after, stopped_at, tmp_path):
    """All stop at one step, only the first writes, and all go on from what it wrote."""
    expected = together(1, whole, tmp_path)[0]
    first = together(before, interrupted, tmp_path)
    assert {message for _, message, _ in first} == {f"stopped at step {stopped_at} of {STEPS} of the fit 'fit'"}
    assert [written for _, _, written in first] == [True] + [False] * (before - 1)
    second = together(after, resumed, tmp_path)
    assert len(second[0]) == STEPS - stopped_at
    assert first[0][0] + second[0] == pytest.approx(expected, rel=1e-5, abs=0)
    assert all(curve == second[0] for curve in second)


class Broken(nn.Module):
    """Its loss is NaN from step 13 on in the last process only, and a parameter of it is never used."""

    def __init__(self, group):
        super().__init__()
        self.inner, self.group, self.unused, self.calls = model(), group, nn.Parameter(torch.ones(3)), 0

    def forward(self, images):
        self.calls += 1
        nan = self.group.rank == self.group.world - 1 and self.calls > 13
        return self.inner(images) * (float("nan") if nan else 1.0)


def broken(group, folder):
    with pytest.raises(NotFinite) as error:
        watched(group, folder, {}, digits(), Broken(group)).run()
    return str(error.value)


def spread(group, folder):
    """Models that differ at the start are the first process's at the end, and stay equal; draws of each are its own."""
    torch.manual_seed(group.rank)
    module = build_vit(SPEC)
    fit = watched(group, folder, {"drop_path": 0.5, "steps": 3}, digits(), module)
    fit.run()
    with pytest.raises(ValueError, match="cannot be shared by 2 processes") as small:
        watched(group, folder / "small", {"batch_size": 2}, digits()).run()
    return weights(module), fit.update.seed, str(small.value)


def test_processes_stay_together(tmp_path):
    messages = together(2, broken, tmp_path)
    assert messages == [f"loss is nan at step 12 of {STEPS} of the fit 'fit'"] * 2
    (one, seed, _), (other, other_seed, _) = together(2, spread, tmp_path / "spread")
    assert torch.equal(one, other) and seed != other_seed


def test_only_the_first_writes_what_is_kept(tmp_path):
    def work(group, folder):
        fit = watched(group, folder, {"steps": 12}, digits())
        fit.session.checkpoint_seconds = 0.0
        fit.session._save_seconds = 0.0
        fit.run()

    together(2, work, tmp_path)
    assert (tmp_path / "rank0" / "checkpoint.pt").exists() and not (tmp_path / "rank1" / "checkpoint.pt").exists()
    events = [json.loads(line)["event"] for line in (tmp_path / "rank0" / "log.jsonl").read_text().splitlines()]
    assert "checkpoint" in events


@pytest.mark.parametrize(("n", "world"), [(8, 2), (7, 2), (10, 4), (64, 3), (5, 3)])
def test_parts_of_a_batch_are_all_of_it_and_mirror_themselves(n, world):
    batch = torch.randperm(100)[:n]
    parts = [Group(rank, world).shard(batch) for rank in range(world)]
    assert sorted(torch.cat(parts).tolist()) == sorted(batch.tolist())
    partner = dict(zip(batch.tolist(), batch.flip(0).tolist(), strict=True))
    for part in parts:
        assert part.flip(0).tolist() == [partner[i] for i in part.tolist()]
