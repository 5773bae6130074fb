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

import dataclasses
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from methods.base import Initializer, Learngene
from methods.testing.stub import SPEC, StubLab
from methods.testing.trial import SEED, MakeLab, Trial, origin, perturbed, same, state, wants_gradients
from methods.vit import VitSpec

SECTIONS = ("Source:", "Verified:", "Assumed:")


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
    trial = Trial(initializer.resolve(ancestor, [ancestor_spec]), ancestor_spec, ancestor_spec, make_lab)
    learngene = trial.learngene
    trial.target_spec = target_spec
    try:
        trial.target(learngene, seed=61)
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
    trial = resolved(initializer, ancestor_spec, target_spec, make_lab)
    for keeps in PROMISES.values():
        keeps(trial)
    return trial.origins


def resolved(
    initializer: Initializer, ancestor_spec: VitSpec, target_spec: VitSpec, make_lab: MakeLab = StubLab
) -> Trial:
    """A trial on a pair of sizes, which are served. Raises AssertionError, or ValueError where options do not fit."""
    ancestor = ancestor_spec if initializer.ancestors else None
    assert initializer.supports(ancestor, target_spec) is None, initializer.supports(ancestor, target_spec)
    initializer.check(ancestor, target_spec)
    initializer = initializer.resolve(ancestor, [target_spec])
    assert initializer == initializer.resolve(ancestor, [target_spec]), "resolve changes what it has resolved"
    return Trial(initializer, ancestor_spec, target_spec, make_lab)


def check_options(initializer: Initializer) -> None:
    """Options are dataclass fields with defaults, and the same options make an equal initializer."""
    cls = type(initializer)
    assert dataclasses.is_dataclass(cls) and "__dataclass_fields__" in vars(cls), f"{cls.__name__} is no dataclass"
    for f in dataclasses.fields(cls):
        has_default = f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING
        assert has_default, f"option {f.name} has no default"
    assert dataclasses.replace(initializer) == initializer


def check_condense(trial: Trial) -> None:
    """Condensing leaves the ancestor alone and gives the same learngene again, whatever the global generator says."""
    import torch

    before = [(state(model), model.training, wants_gradients(model)) for model in trial.ancestors]
    torch.manual_seed(11)
    learngene = trial.learngene
    torch.manual_seed(12)
    again = trial.condense()
    assert same(learngene.tensors, again.tensors), "condensing twice gives two learngenes: use lab.generator"
    assert learngene.meta == again.meta, "condensing twice gives different metadata"
    for model, (weights, training, gradients) in zip(trial.ancestors, before, strict=True):
        assert same(state(model), weights), "condense modified the ancestor"
        assert model.training == training, "condense changed the ancestor's mode"
        assert wants_gradients(model) == gradients, "condense froze the ancestor"


def check_targets(trial: Trial) -> None:
    """What condensing takes from `lab.targets` is said by `family` or `resolve`, and so in the learngene's identity."""
    init, target = trial.initializer, trial.target_spec
    ancestor, other = trial.ancestor_spec if init.ancestors else None, target.replace(depth=target.depth + 1)
    if init.supports(ancestor, other) is not None or init.family(other) != init.family(target):
        return
    try:
        init.check(ancestor, other)
        alike = init.resolve(ancestor, [target, other]) == init
    except ValueError:
        return  # an option that fits the one depth only
    if alike:
        learngene, again = trial.learngene, trial.condense(other)
        equal = same(learngene.tensors, again.tensors) and learngene.meta == again.meta
        assert equal, "condense takes more from lab.targets than `family` and `resolve` say: results would be mixed up"


def check_initialize(trial: Trial) -> None:
    """Every tensor is given or fresh; the same input gives the same target; learngene and ancestor stay as they are."""
    learngene = trial.learngene
    before = {name: t.clone() for name, t in learngene.tensors.items()}
    ancestors = [state(model) for model in trial.ancestors]
    first, again, other = trial.filled, trial.target(learngene, seed=SEED), trial.target(learngene, seed=SEED + 1)
    assert same(first[1], again[1]), "initializing twice gives two targets: use lab.generator"
    assert same(learngene.tensors, before), "initialize modified the learngene"
    unchanged = all(same(state(model), old) for model, old in zip(trial.ancestors, ancestors, strict=True))
    assert unchanged, "initialize modified the ancestor"
    trial.origins = origin(first, other)


def check_file(trial: Trial) -> None:
    """The learngene survives a file bit for bit, its numbers are those in the file, and it serves as well."""
    from safetensors import safe_open

    learngene = trial.learngene
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
    assert same(trial.filled[1], trial.target(loaded, seed=SEED)[1]), "the loaded learngene gives another target"


def check_head(trial: Trial) -> None:
    """The head transfers only where `head: transfer` asks for it, between equal class lists, and is stored."""
    for wish in ("transfer", "fresh"):
        initializer = dataclasses.replace(trial.initializer, head=wish)
        asked = trial if initializer == trial.initializer else dataclasses.replace(trial, initializer=initializer)
        learngene = asked.learngene
        if not learngene.tensors:
            continue  # nothing is stored, so nothing can transfer
        for classes in ("same", "other"):
            known = trial.origins if asked is trial and classes == "same" else {}  # from `check_initialize`
            origins = known or origin(*(asked.target(learngene, seed=seed, classes=classes) for seed in (41, 42)))
            kinds = {kind for name, kind in origins.items() if Learngene.is_head(name)}
            transfers = wish == "transfer" and classes == "same" and learngene.stored_params_head > 0
            expected = {"given" if transfers else "fresh"}
            assert kinds == expected, f"head: {wish}, {classes} classes: the head is {kinds}, expected {expected}"


def check_trains(trial: Trial, steps: int = 8) -> None:
    """The filled target learns a fixed batch, and every parameter gets a gradient."""
    import torch
    import torch.nn.functional as F

    target, spec = perturbed(trial.target_spec, seed=51), trial.target_spec
    trial.initializer.initialize(target, trial.learngene, trial.lab())
    target.train()
    images = torch.randn(8, spec.in_chans, spec.img_size, spec.img_size)
    labels = torch.arange(8) % spec.num_classes
    optimizer, losses = torch.optim.AdamW(target.parameters(), lr=1e-3, fused=True), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(target(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], f"the target does not learn: losses {losses}"
    dead = [name for name, p in target.named_parameters() if p.grad is None or not p.grad.any()]
    assert not dead, f"no gradient reaches {dead}"


PROMISES: dict[str, Callable[[Trial], None]] = {
    "condense gives one learngene, whatever torch's generator says, and leaves the ancestor as it was": check_condense,
    "what condense takes from lab.targets is said by family or resolve": check_targets,
    "initialize gives every tensor or leaves it fresh, the same each time, and changes nothing else": check_initialize,
    "the learngene survives its file bit for bit, and its stored numbers are counted": check_file,
    "the head transfers where it is wished for and the classes are equal, and nowhere else": check_head,
    "the target learns, and a gradient reaches every parameter": check_trains,
}


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
