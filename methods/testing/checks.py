"""What every initializer has to keep, as plain assertions: run `check_initializer` on a class of your own.

    from methods.testing import check_initializer, check_size, sizes_around
    check_initializer(Halved())
    for size, target_spec in sizes_around(ancestor_spec).items():
        check_size(Halved(), ancestor_spec, target_spec)

A size that the method serves has to pass `check_initializer`; one that it does not serve has to be refused with a
reason. `make_lab(targets=[VitSpec], teacher=module or None, classes=str, seed=int)` gives a `Lab` whose fits are short;
by default it is the stub.
Nothing here needs pytest; a method that breaks the contract raises AssertionError saying how.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from methods.base import Initializer, Lab, Learngene
from methods.testing.stub import SPEC, StubLab
from methods.vit import VitSpec, build_vit

if TYPE_CHECKING:
    from torch import Tensor, nn

MakeLab = Callable[..., Lab]
SECTIONS = ("Source:", "Verified:", "Assumed:")


@dataclass
class Bench:
    """One initializer, the ancestors it gets and the target it fills; each job gets a lab of its own.

    A method that takes many ancestors gets two different ones; the first is the teacher.
    """

    initializer: Initializer
    ancestor_spec: VitSpec
    target_spec: VitSpec
    make_lab: MakeLab

    def __post_init__(self) -> None:
        seeds = {0: (1,), 1: (1,), "many": (1, 2)}[self.initializer.ancestors]
        self.ancestors = [perturbed(self.ancestor_spec, seed) for seed in seeds]
        self.teacher = copy.deepcopy(self.ancestors[0]) if self.initializer.ancestors else None

    def lab(self, classes: str = "same", *more: VitSpec) -> Lab:
        return self.make_lab(targets=[self.target_spec, *more], teacher=self.teacher, classes=classes, seed=0)

    def condense(self, *more: VitSpec) -> Learngene:
        """`more`: further targets that the learngene has to serve."""
        given = {0: None, 1: self.ancestors[0], "many": list(self.ancestors)}[self.initializer.ancestors]
        return self.initializer.condense(given, self.lab("same", *more))

    def target(self, learngene: Learngene, *, seed: int, classes: str = "same") -> tuple[State, State]:
        """Weights of a target before and after; `seed` is that of its own draw and of torch's global generator."""
        target = perturbed(self.target_spec, seed)
        before = state(target)
        self.initializer.initialize(target, learngene, self.lab(classes))
        return before, state(target)


State = dict[str, "Tensor"]


def state(model: nn.Module) -> State:
    return {name: t.detach().clone() for name, t in model.state_dict().items()}


def wants_gradients(model: nn.Module) -> list[bool]:
    return [p.requires_grad for p in model.parameters()]


def perturbed(spec: VitSpec, seed: int) -> nn.Module:
    """A ViT in which no two numbers are equal by construction, so that one can tell where a number came from.

    timm's draw has norms of 1 and biases of 0, which would look alike in every model. Seeds the global generator.
    """
    import torch

    torch.manual_seed(seed)
    model = build_vit(spec)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.02 * torch.randn_like(p))
    return model


def same(a: State, b: State) -> bool:
    """Equal bit for bit: names, types, shapes, values."""
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and a[n].equal(b[n]) for n in a)


def origin(drawn: tuple[State, State], other: tuple[State, State]) -> dict[str, str]:
    """Where each tensor of the target comes from, told from two targets (before, after) with different fresh draws.

    `given`: the same whatever the fresh draw; `fresh`: its own fresh draw, at most scaled by one number.
    Raises AssertionError for anything else: a tensor filled in part, or drawn from an unseeded source.
    """
    import torch

    def scaled(before: Tensor, after: Tensor) -> bool:
        factor = (before * after).sum() / (before * before).sum()
        return bool(factor != 0) and torch.allclose(after, factor * before)

    result = {}
    for name, after in drawn[1].items():
        if after.equal(other[1][name]):
            result[name] = "given"
        else:
            both = (drawn, other)
            fresh = all(scaled(pair[0][name], pair[1][name]) for pair in both)
            assert fresh, f"{name}: neither given by the method nor the target's own fresh initialisation"
            result[name] = "fresh"
    return result


def sizes_around(ancestor: VitSpec) -> dict[str, VitSpec]:
    """Targets of the ancestor's size and of another one in each direction, all with heads of the ancestor's size.

    The ancestor needs an even number of heads and a depth of at least 3; deeper is less than twice as deep.
    """
    wide, heads, deep = ancestor.embed_dim, ancestor.num_heads, ancestor.depth
    return {
        "equal": ancestor,
        "shallower": ancestor.replace(depth=deep // 3),
        "deeper": ancestor.replace(depth=deep * 3 // 2),
        "narrower": ancestor.replace(embed_dim=wide // 2, num_heads=heads // 2),
        "wider": ancestor.replace(embed_dim=wide * 2, num_heads=heads * 2),
    }


def check_size(
    initializer: Initializer, ancestor_spec: VitSpec, target_spec: VitSpec, make_lab: MakeLab = StubLab
) -> dict[str, str] | None:
    """`check_initializer` for a size that the method serves, `check_refusal` and None for one that it does not."""
    if initializer.supports(ancestor_spec if initializer.ancestors else None, target_spec) is None:
        return check_initializer(initializer, ancestor_spec, target_spec, make_lab)
    check_refusal(initializer, ancestor_spec, target_spec, make_lab)
    return None


def check_refusal(
    initializer: Initializer, ancestor_spec: VitSpec, target_spec: VitSpec, make_lab: MakeLab = StubLab
) -> None:
    """A size that is not served has a reason, and filling it all the same raises ValueError with that reason."""
    ancestor = ancestor_spec if initializer.ancestors else None
    reason = initializer.supports(ancestor, target_spec)
    assert isinstance(reason, str) and reason.strip(), f"expected the reason why the size is skipped, found {reason!r}"
    bench = Bench(initializer.resolve(ancestor, [ancestor_spec]), ancestor_spec, ancestor_spec, make_lab)
    learngene = bench.condense()
    bench.target_spec = target_spec
    try:
        bench.target(learngene, seed=61)
    except ValueError as error:
        assert reason in str(error), f"initialize refuses for another reason than supports: {error}, not {reason}"
    else:
        raise AssertionError(f"initialize fills a target that supports refuses: {reason}")


def check_initializer(
    initializer: Initializer,
    ancestor_spec: VitSpec = SPEC,
    target_spec: VitSpec | None = None,
    make_lab: MakeLab = StubLab,
) -> dict[str, str]:
    """All checks of one initializer on one pair of sizes, with the options as given.

    target_spec: default: half as deep as the ancestor.

    Returns where each tensor of the target comes from, see `origin`. Raises AssertionError.
    """
    target_spec = target_spec or ancestor_spec.replace(depth=max(1, ancestor_spec.depth // 2))
    check_options(initializer)
    ancestor = ancestor_spec if initializer.ancestors else None
    assert initializer.supports(ancestor, target_spec) is None, initializer.supports(ancestor, target_spec)
    initializer.check(ancestor, target_spec)
    initializer = initializer.resolve(ancestor, [target_spec])
    assert initializer == initializer.resolve(ancestor, [target_spec]), "resolve changes what it has resolved"
    bench = Bench(initializer, ancestor_spec, target_spec, make_lab)
    learngene = check_condense(bench)
    check_targets(bench, learngene)
    origins = check_initialize(bench, learngene)
    check_file(bench, learngene)
    check_head(bench, learngene)
    check_trains(bench, learngene)
    return origins


def check_options(initializer: Initializer) -> None:
    """Options are dataclass fields with defaults, and the same options make an equal initializer."""
    cls = type(initializer)
    assert dataclasses.is_dataclass(cls) and "__dataclass_fields__" in vars(cls), f"{cls.__name__} is no dataclass"
    for f in dataclasses.fields(cls):
        has_default = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        assert has_default, f"option {f.name} has no default"
    assert dataclasses.replace(initializer) == initializer


def check_condense(bench: Bench) -> Learngene:
    """Condensing leaves the ancestor alone and gives the same learngene again, whatever the global generator says."""
    import torch

    before = [(state(model), model.training, wants_gradients(model)) for model in bench.ancestors]
    torch.manual_seed(11)
    learngene = bench.condense()
    torch.manual_seed(12)
    again = bench.condense()
    assert same(learngene.tensors, again.tensors), "condensing twice gives two learngenes: use lab.generator"
    assert learngene.meta == again.meta, "condensing twice gives different metadata"
    for model, (weights, training, gradients) in zip(bench.ancestors, before, strict=True):
        assert same(state(model), weights), "condense modified the ancestor"
        assert model.training == training, "condense changed the ancestor's mode"
        assert wants_gradients(model) == gradients, "condense froze the ancestor"
    return learngene


def check_targets(bench: Bench, learngene: Learngene) -> None:
    """What condensing takes from `lab.targets` is said by `family` or `resolve`, and so in the learngene's identity."""
    init, target = bench.initializer, bench.target_spec
    ancestor, other = bench.ancestor_spec if init.ancestors else None, target.replace(depth=target.depth + 1)
    if init.supports(ancestor, other) is not None or init.family(other) != init.family(target):
        return
    try:
        init.check(ancestor, other)
        alike = init.resolve(ancestor, [target, other]) == init
    except ValueError:
        return  # an option that fits the one depth only
    if alike:
        again = bench.condense(other)
        equal = same(learngene.tensors, again.tensors) and learngene.meta == again.meta
        assert equal, "condense takes more from lab.targets than `family` and `resolve` say: results would be mixed up"


def check_initialize(bench: Bench, learngene: Learngene) -> dict[str, str]:
    """Every tensor is given or fresh; the same input gives the same target; learngene and ancestor stay as they are."""
    before = {name: t.clone() for name, t in learngene.tensors.items()}
    ancestors = [state(model) for model in bench.ancestors]
    first, again, other = (bench.target(learngene, seed=seed) for seed in (21, 21, 22))
    assert same(first[1], again[1]), "initializing twice gives two targets: use lab.generator"
    assert same(learngene.tensors, before), "initialize modified the learngene"
    unchanged = all(same(state(model), old) for model, old in zip(bench.ancestors, ancestors, strict=True))
    assert unchanged, "initialize modified the ancestor"
    return origin(first, other)


def check_file(bench: Bench, learngene: Learngene) -> None:
    """The learngene survives a file bit for bit, its numbers are those in the file, and it serves as well."""
    from safetensors import safe_open

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "learngene.safetensors"
        learngene.save(path)
        loaded = Learngene.load(path)
        with safe_open(path, framework="pt") as file:
            sizes = {name: file.get_tensor(name).numel() for name in file.keys()}  # noqa: SIM118
    assert same(learngene.tensors, loaded.tensors), "saving changed the tensors"
    assert learngene.meta == loaded.meta, f"saving changed the metadata: {learngene.meta} is not JSON {loaded.meta}"
    head = sum(n for name, n in sizes.items() if name.split(".")[0] == "head")
    assert (learngene.stored_params, learngene.stored_params_head) == (sum(sizes.values()) - head, head)
    one, two = bench.target(learngene, seed=31), bench.target(loaded, seed=31)
    assert same(one[1], two[1]), "the loaded learngene gives another target"


def check_head(bench: Bench, condensed: Learngene) -> None:
    """The head transfers only where `head: transfer` asks for it, between equal class lists, and is stored."""
    for wish in ("transfer", "fresh"):
        asked = dataclasses.replace(bench, initializer=dataclasses.replace(bench.initializer, head=wish))
        learngene = condensed if asked.initializer == bench.initializer else asked.condense()
        if not learngene.tensors:
            continue  # nothing is stored, so nothing can transfer
        for classes in ("same", "other"):
            pairs = [asked.target(learngene, seed=seed, classes=classes) for seed in (41, 42)]
            found = {kind for name, kind in origin(*pairs).items() if Learngene.is_head(name)}
            transfers = wish == "transfer" and classes == "same" and learngene.stored_params_head > 0
            expected = {"given" if transfers else "fresh"}
            assert found == expected, f"head: {wish}, {classes} classes: the head is {found}, expected {expected}"


def check_trains(bench: Bench, learngene: Learngene, steps: int = 8) -> None:
    """The filled target learns a fixed batch, and every parameter gets a gradient."""
    import torch
    import torch.nn.functional as F

    target, spec = perturbed(bench.target_spec, seed=51), bench.target_spec
    bench.initializer.initialize(target, learngene, bench.lab())
    target.train()
    images = torch.randn(8, spec.in_chans, spec.img_size, spec.img_size)
    labels = torch.arange(8) % spec.num_classes
    optimizer, losses = torch.optim.AdamW(target.parameters(), lr=1e-3), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(target(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], f"the target does not learn: losses {losses}"
    dead = [name for name, p in target.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead, f"no gradient reaches {dead}"


def check_documented(cls: type[Initializer]) -> None:
    """The docstring says what was used, what was verified, and what was assumed, and names every option."""
    text = cls.__doc__ or ""
    missing = [section for section in SECTIONS if section not in text]
    assert not missing, f"the docstring of {cls.__name__} has no {', '.join(missing)}"
    options = [f.name for f in dataclasses.fields(cls) if f.name not in ("head", "train")]
    unnamed = [name for name in options if f"{name}:" not in text and name not in text.split()]
    assert not unnamed, f"the docstring of {cls.__name__} does not explain {unnamed}"


def check_light(reading: str, forbidden: tuple[str, ...] = ("torch", "timm", "bench")) -> None:
    """Running the Python code `reading` in a process of its own imports none of the packages `forbidden`."""
    code = f"import sys\n{reading}\nprint([m for m in {forbidden!r} if m in sys.modules])"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]", f"{reading!r} imports {done.stdout.strip()}"
