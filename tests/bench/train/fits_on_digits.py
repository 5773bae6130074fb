"""Fits on the digits, outside of any job."""

import torch

from bench.data import DataSettings, load
from bench.recipes.recipe import Recipe
from bench.store import JobDir
from bench.train.fit import Fit
from bench.train.session import Session
from methods.vit import VitSpec, build_vit

SPEC = VitSpec(embed_dim=8, depth=2, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)
STEADY = {"schedule": "constant", "batch_size": 50, "eval_every": 1000}


def digits():
    return load(DataSettings.model_validate("digits"))


def model():
    torch.manual_seed(0)
    return build_vit(SPEC)


def fit(folder, module, recipe, data=None, group=None, **options):
    """A fit that is ready to run. Fits of one folder are one job, which resumes."""
    session = Session(JobDir(folder), torch.device("cpu"), group=group)
    recipe = Recipe.model_validate(STEADY | recipe)
    return Fit(session, data or digits(), module, name="fit", recipe=recipe, seed=3, **options)


def trained(folder, data=None, **recipe):
    module = model()
    fit(folder, module, recipe, data).run()
    return weights(module)


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])
