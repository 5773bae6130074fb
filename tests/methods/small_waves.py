"""Condense and initialize with wave on small models, keeping what was trained."""

from __future__ import annotations

import torch

import methods
from methods.testing import perturbed, state
from methods.vit import build_vit
from tests.methods.tinylab import SPEC, TinyLab

SIZE = {"template_size": 16}  # SPEC is 32 wide


class Watched(TinyLab):
    """Keeps every module that it trained, and its state before."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.modules, self.before = {}, {}

    def fit(self, module, *, name, **kwargs):
        self.modules[name], self.before[name] = module, state(module)
        super().fit(module, name=name, **kwargs)

    def changed(self, name: str) -> set[str]:
        """Names of the tensors that the fit `name` changed."""
        after = self.modules[name].state_dict()
        return {key for key, value in self.before[name].items() if not value.equal(after[key])}


def condensed(targets=(SPEC,), ancestor=SPEC, steps=3, **options):
    """(wave, learngene, lab) after condensing a perturbed ancestor."""
    model = perturbed(ancestor, seed=1)
    wave, lab = methods.get("wave", **(SIZE | options)), Watched(targets, teacher=model, steps=steps)
    return wave, wave.condense(model, lab), lab


def filled(wave, learngene, spec, steps=3, classes="tiny"):
    """(target, lab) after initializing a perturbed target."""
    lab = Watched((spec,), teacher=perturbed(SPEC, seed=1), steps=steps, classes=classes)
    target = perturbed(spec, seed=2)
    wave.initialize(target, learngene, lab)
    return target.eval(), lab


def images(n=4, seed=5):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, SPEC.in_chans, SPEC.img_size, SPEC.img_size, generator=g)


def dense_twin(model, spec):
    """A plain timm model with the materialized weights."""
    twin = build_vit(spec)
    twin.load_state_dict(model.materialize())
    return twin.eval()
