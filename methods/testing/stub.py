"""A stub of the harness's Lab, to try a method without the harness: a few steps of plain AdamW on random images.

What it trains is worth nothing and nothing is charged; `bench.api.lab` gives a Lab that trains on real images.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from methods.vit import VitSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SPEC = VitSpec(embed_dim=32, depth=4, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=5)


class StubLab:
    """Implements `methods.Lab`; every fit takes at most `steps` steps and is recorded in `fits`.

    Images are random, of the first target's size, and the same for the same seed and name.
    """

    def __init__(
        self,
        targets: Sequence[VitSpec] = (SPEC,),
        teacher: nn.Module | None = None,
        *,
        classes: str | None = "stub",
        seed: int = 0,
        steps: int = 2,
        batch_size: int = 8,
    ) -> None:
        import torch

        self.targets: Sequence[VitSpec] = list(targets)
        self.classes, self.device = classes, torch.device("cpu")
        self._teacher, self.seed, self.steps, self.batch_size = teacher, seed, steps, batch_size
        self.fits: dict[str, dict[str, Any]] = {}
        self.keys: list[Hashable] = []  # what was chosen before each step, where something was

    def _images(self, n: int, name: str) -> tuple[Tensor, Tensor]:
        import torch

        draw, spec = self.generator("data " + name), self.targets[0]
        images = torch.randn(n, spec.in_chans, spec.img_size, spec.img_size, generator=draw)
        return images, torch.randint(0, spec.num_classes, (n,), generator=draw)

    def fit(
        self,
        module: nn.Module,
        *,
        name: str,
        recipe: Mapping[str, Any],
        loss: Any = "ce",
        params: Iterable[nn.Parameter] | None = None,
        fraction: float = 1.0,
        at_least: int = 0,
        before_step: Callable[[int, torch.Generator], Hashable] | None = None,
    ) -> None:
        """See `methods.Lab.fit`; of the recipe only `steps`, `lr`, `weight_decay` and `distill` are heeded."""
        import torch

        assert name not in self.fits, f"two fits named {name!r} in one job"
        trained = [p for p in (module.parameters() if params is None else params) if p.requires_grad]
        steps = min(self.steps, recipe.get("steps", self.steps))
        decay = recipe.get("weight_decay", 0.05)
        optimizer = torch.optim.AdamW(trained, lr=recipe.get("lr", 1e-3), weight_decay=decay, fused=True)
        module.train()
        for step in range(steps):
            if before_step is not None:
                self.keys.append(before_step(step, self.generator(f"{name} before {step}")))
            images, labels = self._images(self.batch_size, f"{name} {step}")
            optimizer.zero_grad()
            self._loss(module, images, labels, loss, recipe).backward()
            optimizer.step()
        module.eval()
        self.fits[name] = {"recipe": dict(recipe), "loss": loss, "fraction": fraction, "params": len(trained)}
        self.fits[name] |= {"at_least": at_least} if at_least else {}

    def _loss(self, module: nn.Module, images: Tensor, labels: Tensor, loss: Any, recipe: Mapping[str, Any]) -> Tensor:
        import torch
        import torch.nn.functional as F

        if callable(loss):
            return loss(module, images, labels)
        logits = module(images)
        if loss == "ce":
            return F.cross_entropy(logits, labels)
        distill = {"kl": 1.0, "ce": 0.0, "temperature": 1.0} | dict(recipe.get("distill", {}))
        with torch.no_grad():
            taught = self.teacher()(images)
        student, teacher = (F.log_softmax(x / distill["temperature"], -1) for x in (logits, taught))
        kl = F.kl_div(student, teacher, reduction="batchmean", log_target=True) * distill["temperature"] ** 2
        return distill["kl"] * kl + distill["ce"] * F.cross_entropy(logits, labels)

    def batches(self, n: int, *, name: str, labels: bool = False) -> Iterator[Any]:
        images, classes = self._images(n, name)
        for i in range(0, n, self.batch_size):
            part = slice(i, i + self.batch_size)
            yield (images[part], classes[part]) if labels else images[part]

    def accuracy(self, module: nn.Module) -> float:
        import torch

        images, labels = self._images(200, "validation")
        with torch.no_grad():
            return 100 * (module.eval()(images).argmax(-1) == labels).double().mean().item()

    def teacher(self) -> nn.Module:
        assert self._teacher is not None, "this stub has no teacher"
        return self._teacher.eval().requires_grad_(False)

    @contextmanager
    def meter(self, name: str) -> Iterator[None]:
        yield

    def generator(self, name: str) -> torch.Generator:
        import torch

        return torch.Generator().manual_seed(zlib.crc32(f"{self.seed} {name}".encode()))
