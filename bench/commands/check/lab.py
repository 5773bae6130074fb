"""Five steps of a method through the real Lab, on scikit-learn's digits: what it needs, costs and stores."""

import copy
from typing import TYPE_CHECKING

import torch

from bench.api import Lab
from bench.data import DataSettings, load
from bench.jobs import run
from bench.jobs.learngene import NO_FIT, NO_TARGETS, as_taken
from bench.jobs.parts.watch import watched
from bench.randomness import seed_all
from bench.recipes.recipe import Recipe
from bench.suite.outside import top_level
from methods import Initializer, Learngene
from methods.testing import sizes_around
from methods.vit import VitSpec, build_vit

if TYPE_CHECKING:
    from bench.commands.check.record import PromiseRecord

STEPS = 5
ANCESTOR = VitSpec(embed_dim=32, depth=6, num_heads=2, patch_size=4, img_size=8, in_chans=1, num_classes=10)


class MethodInLab:
    """A method with its ancestors and Lab, as the jobs of a suite have them."""

    def __init__(self, initializer: Initializer) -> None:
        sizes = sizes_around(ANCESTOR).values()
        ancestor = ANCESTOR if initializer.ancestors else None
        self.target = next(size for size in (*list(sizes)[1:], ANCESTOR) if not initializer.supports(ancestor, size))
        self.initializer = initializer.resolve(ancestor, [self.target])
        self.device = torch.device("cpu")
        self.data = load(DataSettings.model_validate("digits"), self.device)
        count = {0: 0, 1: 1, "many": 2}[initializer.ancestors]
        self.ancestors = [self.trained(ANCESTOR, seed) for seed in range(count)]

    def lab(self, teacher: torch.nn.Module | None = None) -> Lab:
        recipe = Recipe().merged({"steps": STEPS, "batch_size": 32} | self.initializer.train)
        return Lab(self.data, self.device, teacher, [self.target], recipe, seed=0)

    def trained(self, spec: VitSpec, seed: int) -> torch.nn.Module:
        seed_all(seed, "ancestor")
        model = build_vit(spec)
        self.lab().fit(model, name="ancestor", recipe={"steps": STEPS})
        return model

    def condense(self) -> tuple[Learngene, Lab]:
        lab = self.lab(self.ancestors[0] if self.ancestors else None)
        lab.no_fit = "" if self.initializer.trains else NO_FIT
        modules = [cls.__module__ for cls in type(self.initializer).__mro__]
        if top_level(modules[0]) != "methods" and not self.initializer.sees_targets:
            lab.hide_targets(NO_TARGETS, {module for module in modules if top_level(module) == "methods"})
        seen = lab.session.seen
        ancestors = [watched(copy.deepcopy(model), lambda: seen.add("ancestor")) for model in self.ancestors]
        taken = as_taken(self.initializer, ancestors)
        learngene = lab.session.timed("condense", lambda: self.initializer.condense(taken, lab))
        assert isinstance(learngene, Learngene), f"condense returned {type(learngene).__name__}; expected a Learngene"
        return learngene, lab

    def start(self, learngene: Learngene) -> tuple[torch.nn.Module, Lab]:
        seed_all(0, "target")
        target = build_vit(self.target)
        lab = self.lab(self.ancestors[0] if self.ancestors else None)
        lab.no_fit = "" if self.initializer.trains_start else run.NO_FIT
        lab.session.timed("initialize", lambda: self.initializer.initialize(target, learngene, lab))
        return target.requires_grad_(True), lab


def in_the_lab(initializer: Initializer, record: "PromiseRecord") -> None:
    """Condense, initialize and train a target for a few steps."""
    print(f"\n{STEPS} steps of whatever trains, through the real Lab, on 8x8 digits:")
    rehearsals: list[MethodInLab] = []
    if record.line("it serves one of the sizes", {"": lambda: rehearsals.append(MethodInLab(initializer))}):
        return
    rehearsal, labs, genes = rehearsals[0], dict[str, Lab](), list[Learngene]()

    def condense() -> None:
        gene, labs["learngene"] = rehearsal.condense()
        genes.append(gene)

    def start() -> None:
        target, labs["start"] = rehearsal.start(genes[0])
        labs["run"] = rehearsal.lab()
        labs["run"].fit(target, name="run", recipe={"steps": STEPS})

    if record.line("it condenses as a job does: trains, looks at targets and images only as it says", {"": condense}):
        return
    if record.line("it initializes as a job does, and the target trains", {"": start}):
        return
    gene = genes[0]
    if passes := sum(labs[kind].session.forwards.unmetered or 0 for kind in ("learngene", "start")):
        record.advise(f"{passes} forward passes are in no `with lab.meter(name):`; their FLOPs are not counted")
    told = {*initializer.uses, *(["ancestor"] if initializer.ancestors else [])}
    seen = labs["learngene"].session.seen | labs["start"].session.seen
    if seen != told:
        listed = [", ".join(sorted(names)) or "nothing" for names in (seen, told)]
        record.advise(f"it was seen to use {listed[0]}; its class says {listed[1]} (ancestors, uses)")
    stored = f"{gene.stored_params:,} parameters and {gene.stored_params_head:,} of the head"
    print(f"        stored: {stored}, {gene.stored_bytes:,} bytes")
    for kind, lab in labs.items():
        cost, needs = lab.cost, "" if kind == "run" else f"; needs {', '.join(sorted(lab.session.seen)) or 'nothing'}"
        print(f"        {kind}: {cost.images:,} images, {cost.flops:.3g} FLOPs, {cost.seconds:.2f} s{needs}")
