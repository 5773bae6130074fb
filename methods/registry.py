"""Which methods there are, by name."""

import difflib
from dataclasses import fields
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
    # the ancestor's blocks and channels by index: depth maps, growth, selection
    "depth_map": "methods.depth_map:DepthMap",
    "heur_lg": "methods.layer_learngene:HeurLG",
    "auto_lg": "methods.layer_learngene:AutoLG",
    "hypercloning": "methods.hypercloning:HyperCloning",
    "lemon": "methods.lemon:Lemon",
    "bert2bert": "methods.bert2bert:Bert2Bert",
    "net2net": "methods.bert2bert:Net2Net",
    "pruning": "methods.pruning:Pruning",
    "subcloning": "methods.subcloning:Subcloning",
    "pca": "methods.pca:Pca",
    "scrambled": "methods.scrambled:Scrambled",  # a control
    # by resampling; several ancestors; elastic
    "front": "methods.front:Front",
    "bot": "methods.bot:Bot",
    "cluster_learngene": "methods.cluster_learngene:ClusterLearngene",
    "merge": "methods.merge:Merge",
    "supernet": "methods.supernet:Supernet",
}


def names() -> list[str]:
    """The names of the methods in this package."""
    return list(METHODS)


def method_class(name: str) -> type[Initializer]:
    """The class behind `name`: a name from `names()`, or "module:Class" for one from outside.

    Raises KeyError with the nearest valid name, ImportError for a module that cannot be imported, and TypeError for
    a class that is no Initializer.
    """
    if ":" not in name and name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise KeyError(f"unknown method {name!r}{hint} (methods: {', '.join(METHODS)}, or module:Class)")
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
            near = difflib.get_close_matches(option, valid, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise TypeError(f"{name} has no option {option!r}{hint} (options: {', '.join(valid)})")
    return cls(**options)
