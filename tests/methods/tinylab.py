"""A Lab in a few lines, for tests of methods without the harness: plain AdamW on random images."""

from __future__ import annotations

import zlib
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn

from methods.vit import VitSpec

SPEC = VitSpec(embed_dim=32, depth=4, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=5)


class TinyLab:
    """Implements the Lab protocol; every fit takes `steps` small steps and is recorded in `fits`."""

    def __init__(self, targets=(SPEC,), teacher=None, *, classes="tiny", seed=0, steps=2, batch_size=8):
        self.targets, self.classes, self.device = list(targets), classes, torch.device("cpu")
        self._teacher, self.seed, self.steps, self.batch_size = teacher, seed, steps, batch_size
        self.fits: dict[str, dict] = {}
        self.keys: list = []  # what was chosen before each step, where something was

    def _data(self, n, name):
        g, spec = self.generator("data " + name), self.targets[0]
        images = torch.randn(n, spec.in_chans, spec.img_size, spec.img_size, generator=g)
        return images, torch.randint(0, spec.num_classes, (n,), generator=g)

    def fit(self, module, *, name, recipe, loss="ce", params=None, fraction=1.0, before_step=None):
        assert name not in self.fits, f"two fits named {name!r} in one job"
        params = [p for p in (module.parameters() if params is None else params) if p.requires_grad]
        steps = min(self.steps, recipe.get("steps", self.steps))
        optimizer = torch.optim.AdamW(params, lr=recipe.get("lr", 1e-3), weight_decay=recipe.get("weight_decay", 0.05))
        module.train()
        for step in range(steps):
            if before_step is not None:
                self.keys.append(before_step(step, self.generator(f"{name} before {step}")))
            images, labels = self._data(self.batch_size, f"{name} {step}")
            optimizer.zero_grad()
            self._loss(module, images, labels, loss, recipe).backward()
            optimizer.step()
        module.eval()
        self.fits[name] = {"recipe": dict(recipe), "loss": loss, "fraction": fraction, "params": len(params)}

    def _loss(self, module, images, labels, loss, recipe):
        if callable(loss):
            return loss(module, images, labels)
        logits = module(images)
        if loss == "ce":
            return F.cross_entropy(logits, labels)
        d = {"kl": 1.0, "ce": 0.0, "temperature": 1.0} | dict(recipe.get("distill", {}))
        with torch.no_grad():
            teacher = self.teacher()(images)
        p, q = (F.log_softmax(x / d["temperature"], -1) for x in (logits, teacher))
        kl = F.kl_div(p, q, reduction="batchmean", log_target=True) * d["temperature"] ** 2
        return d["kl"] * kl + d["ce"] * F.cross_entropy(logits, labels)

    def batches(self, n, *, name, labels=False):
        images, y = self._data(n, name)
        for i in range(0, n, self.batch_size):
            part = slice(i, i + self.batch_size)
            yield (images[part], y[part]) if labels else images[part]

    def accuracy(self, module):
        images, labels = self._data(200, "validation")
        with torch.no_grad():
            return 100 * (module.eval()(images).argmax(-1) == labels).double().mean().item()

    def teacher(self) -> nn.Module:
        assert self._teacher is not None, "this TinyLab has no teacher"
        return self._teacher.eval().requires_grad_(False)

    @contextmanager
    def meter(self, name):
        yield

    def generator(self, name):
        return torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {name}".encode()))
