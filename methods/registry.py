"""Which methods there are, by name."""

import difflib
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import Any

from methods.base import Initializer

# name -> "module:Class". Listed in the order in which tables show them.
METHODS = {
    "random": "methods.random:Random",
    "weight_selection": "methods.weight_selection:WeightSelection",
    "sws": "methods.sws:StageWiseSharing",
    "mixture_growth": "methods.mixture_growth:MixtureGrowth",
    "wave": "methods.wave:Wave",
    # whole blocks of the ancestor
    "depth_map": "methods.depth_map:DepthMap",
    "heur_lg": "methods.layer_learngene:HeurLG",
    "auto_lg": "methods.layer_learngene:AutoLG",
    # growth by index maps
    "hypercloning": "methods.hypercloning:HyperCloning",
    "lemon": "methods.lemon:Lemon",
    "bert2bert": "methods.bert2bert:Bert2Bert",
    "net2net": "methods.bert2bert:Net2Net",
    # selection by rank
    "pruning": "methods.pruning:Pruning",
    "subcloning": "methods.subcloning:Subcloning",
    "pca": "methods.pca:Pca",
    # combinations of bases, learned maps
    "tleg": "methods.tleg:LinearExpansion",
    "fine": "methods.fine:Fine",
    "lets": "methods.lets:LearnableTransformation",
    "ligo": "methods.ligo:Ligo",
    # resampled weights
    "front": "methods.front:Front",
    "bot": "methods.bot:Bot",
    # several ancestors, many sizes in one
    "merge": "methods.merge:Merge",
    "supernet": "methods.supernet:Supernet",
    "cluster_learngene": "methods.cluster_learngene:ClusterLearngene",
    # without an ancestor
    "mimetic": "methods.mimetic:Mimetic",
    "impulse": "methods.impulse:Impulse",
    "conditioned": "methods.conditioned:Conditioned",
    "dct_attention": "methods.dct_attention:DctAttention",
    "lsuv": "methods.lsuv:Lsuv",
    # controls
    "scrambled": "methods.scrambled:Scrambled",
}


GROUP = "learngene_bench.methods"  # entry points by which installed packages bring methods


@dataclass(frozen=True)
class Packaged:
    """A method that an installed package brings: "module:Class", and the package with its version."""

    target: str
    package: str


@cache
def entries() -> dict[str, list[Packaged]]:
    """What installed packages bring, by name; read from their metadata, nothing of them is imported."""
    from importlib.metadata import entry_points  # late: it is not needed to import this package

    by_name: dict[str, list[Packaged]] = {}
    for entry in entry_points(group=GROUP):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unnamed package"
        value = entry.value.partition("[")[0]  # as it stands, without extras: `entry.module` raises where it is odd
        target = ":".join(part.strip() for part in value.split(":"))
        by_name.setdefault(entry.name, []).append(Packaged(target, package))
    return {name: sorted(by_name[name], key=lambda brought: brought.package) for name in sorted(by_name)}


def packaged() -> dict[str, Packaged]:
    """The methods of installed packages, by name. Raises ValueError where a name is not theirs alone."""
    return {name: brought for name in entries() if (brought := _packaged(name)) is not None}


def _packaged(name: str) -> Packaged | None:
    """What brings a method that is none of this package's. Raises ValueError where several have the name."""
    brought = entries().get(name, [])
    targets = [f"{METHODS[name]} of this project"] if name in METHODS else []
    targets += [f"{entry.target} of {entry.package}" for entry in brought]
    if len(targets) > 1:
        way_out = "rename or remove one of them, or say `use: module:Class`"
        raise ValueError(f"several methods are named {name!r}: {', '.join(targets)}; {way_out}")
    return brought[0] if brought else None


def names() -> list[str]:
    """The names of the methods in this package."""
    return list(METHODS)


def canonical_name(name: str) -> str:
    """The name that says which class it is: a method of this package has its own, all others are "module:Class".

    Raises KeyError with the nearest valid name, and ValueError where several methods have the name or a package says
    no class.
    """
    if ":" in name:
        return name
    brought = _packaged(name)
    if brought is not None and ":" not in brought.target:
        raise ValueError(f"{brought.package} says that {name!r} is {brought.target!r}; expected module:Class there")
    if brought is not None:
        return brought.target
    if name not in METHODS:
        valid = [*METHODS, *entries()]
        hint = _did_you_mean(name, valid)
        raise KeyError(f"unknown method {name!r}{hint} (methods: {', '.join(valid)}, or module:Class)")
    return name


def method_class(name: str) -> type[Initializer]:
    """The class behind `name`: a name from `names()` or of an installed package's method, or "module:Class".

    Raises KeyError with the nearest valid name, ValueError where several methods have the name, ImportError for a
    module that cannot be imported, and TypeError for a class that is no Initializer.
    """
    name = canonical_name(name)
    module, _, attribute = METHODS.get(name, name).partition(":")
    try:
        cls = getattr(import_module(module), attribute)
    except AttributeError:
        raise ImportError(f"module {module!r} has no {attribute!r}") from None
    if not (isinstance(cls, type) and issubclass(cls, Initializer)):
        raise TypeError(f"{name} is {cls!r}; expected a subclass of methods.Initializer")
    return cls


def get(name: str, **options: Any) -> Initializer:
    """The initializer `name` with its options, which are the dataclass fields of its class.

    Raises KeyError for an unknown name, TypeError for an unknown option, ValueError for an impossible value.
    """
    cls = method_class(name)
    valid = [f.name for f in fields(cls) if f.init]
    for option in options:
        if option not in valid:
            hint = _did_you_mean(option, valid)
            raise TypeError(f"{name} has no option {option!r}{hint} (options: {', '.join(valid)})")
    return cls(**options)


def _did_you_mean(name: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
