"""The Lab: what a method may ask of the harness, and where all that it costs is charged."""

import sys
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from bench.data import Dataset
from bench.data.on_device.normalise import layout
from bench.randomness import derive_seed
from bench.recipes.recipe import Recipe
from bench.train.cost import Cost
from bench.train.evaluate import evaluate
from bench.train.fit import Fit
from bench.train.session import Session
from methods.vit import VitSpec

BATCH = 128  # images a batch of `batches`


class JobLab:
    """Implements `methods.Lab` for one job."""

    def __init__(
        self,
        session: Session,
        data: Dataset,
        *,
        seed: int,
        recipe: Recipe,
        targets: Sequence[VitSpec],
        load_teacher: Callable[[], nn.Module] | None,
        no_fit: str = "",
    ) -> None:
        """no_fit: why this job may not train; a call of `fit` raises TypeError with it."""
        self.session, self.data, self.seed, self.recipe, self.no_fit = session, data, seed, recipe, no_fit
        self._targets = targets
        self._hidden: tuple[str, Collection[str]] = "", ()
        self.classes: str | None = data.class_id
        self.device = session.device
        self._load_teacher = load_teacher
        self._teacher: nn.Module | None = None

    @property
    def targets(self) -> Sequence[VitSpec]:
        """See `methods.base.Lab.targets`. Raises TypeError where they are hidden from the code that asks."""
        reason, readers = self._hidden
        if reason and sys._getframe(1).f_globals.get("__name__") not in readers:
            raise TypeError(reason)
        return self._targets

    def hide_targets(self, reason: str, readers: Collection[str]) -> None:
        """Make reading `targets` an error, with that reason, for all code but that of the modules `readers`."""
        self._hidden = reason, readers

    def fit(
        self,
        module: nn.Module,
        *,
        name: str,
        recipe: Mapping[str, Any] | None = None,
        loss: Any = "ce",
        params: Iterable[nn.Parameter] | None = None,
        fraction: float = 1.0,
        at_least: int = 0,
        before_step: Callable[[int, torch.Generator], Hashable] | None = None,
        evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    ) -> list[dict[str, Any]]:
        """See `methods.base.Lab.fit`; with `evaluate` also the evaluations from step 0 on."""
        if self.no_fit:
            raise TypeError(self.no_fit)
        merged = self.recipe.merged(dict(recipe or {}))
        self.session.seen |= (
            {"images"} if loss == "kd" and not (merged.distill and merged.distill.ce) else {"images", "labels"}
        )
        fit = Fit(
            self.session,
            self.data,
            module,
            name=name,
            recipe=merged,
            seed=self.seed,
            loss=loss,
            teacher=self.teacher() if loss == "kd" else None,
            params=params,
            fraction=fraction,
            at_least=at_least,
            before_step=before_step,
            evaluate=evaluate,
        )
        with self.session.forwards.paused():
            return fit.run()

    def batches(self, n: int, *, name: str, labels: bool = False) -> Iterator[Any]:
        """`n` training images (all, if there are fewer), drawn without replacement, without augmentation."""
        self.session.seen |= {"images", "labels"} if labels else {"images"}
        chosen = torch.randperm(self.data.train.n, generator=self.generator("batches " + name))[:n]
        cost = self.session.costs.setdefault(f"batches {name}", Cost())  # a second time adds up
        self.session.forwards.images_drawn()
        batches = self.data.train.batches(list(chosen.split(BATCH)), epoch=0, seed=self.seed, augment=None)
        while True:
            with self.session.clock.stage("batches") as reading:
                batch = next(batches, None)
            reading.charge(cost)
            if batch is None:
                return
            cost.images += len(batch[0])
            yield batch if labels else batch[0]

    def accuracy(self, module: nn.Module) -> float:
        """Top-1 of `module` on the validation part, in percent; in a group everyone looks at all of it."""
        self.session.seen |= {"images", "labels"}
        with self.meter("accuracy"):
            scores = evaluate(module.to(self.device), self.data.val, self.device)
        self.session.costs["meter accuracy"].images += self.data.val.n
        return scores["top1"]

    def teacher(self) -> nn.Module:
        if self._teacher is None:
            if self._load_teacher is None:
                raise ValueError("this job has no teacher: name an ancestor, or a top-level 'teacher', in the suite")
            teacher = self._load_teacher().eval().requires_grad_(False)
            self._teacher = teacher.to(self.device).to(memory_format=layout(self.device))
        self.session.seen.add("teacher")
        return self._teacher

    @contextmanager
    def meter(self, name: str) -> Iterator[None]:
        # attention unfused: torch's counter misses it in some versions
        unfused = sdpa_kernel(SDPBackend.MATH)
        with self.session.clock.stage("meter") as metered, unfused, FlopCounterMode(display=False) as counter:
            yield
        cost = self.session.costs.setdefault(f"meter {name}", Cost())
        cost.flops += counter.get_total_flops()
        metered.charge(cost)

    def generator(self, name: str) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, "generator", name))
