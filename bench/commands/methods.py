"""`bench methods`: what there is, and what is known of each."""

import argparse
import dataclasses
import inspect
from typing import Any

import methods
from bench.errors import UsageError
from methods import Initializer
from methods.registry import Packaged
from methods.vit import VitSpec

OTHER_SIZES = {  # than the ancestor's
    "D-": {"depth": 4},
    "D+": {"depth": 16},
    "W-": {"embed_dim": 32, "num_heads": 2},
    "W+": {"embed_dim": 128, "num_heads": 8},
}
ANCESTORS = {0: "none", 1: "one", "many": "all that the suite names"}


def main(options: argparse.Namespace) -> int:
    if options.name is None:
        if options.markdown:
            print(markdown())
        else:
            show()
        return 0
    cls = class_of(options.name)
    print(f"{options.name}, version {cls.version}: {_traits(cls)}\n")
    print(inspect.getdoc(cls))
    print("\nOptions, with their defaults:")
    for f in dataclasses.fields(cls):
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        shown = "required" if default is dataclasses.MISSING else repr(default)
        print(f"  {f.name}: {f.type if isinstance(f.type, str) else inspect.formatannotation(f.type)} = {shown}")
    print(f"\nIn a suite:  methods: {{my_label: {{{_example(options.name, cls)}}}}}")
    print("Every method also takes ancestor, seeds, and runs (changes to the recipe of its runs).")
    return 0


def serves(cls: type[Initializer]) -> dict[str, bool]:
    """Which targets it serves at its defaults, other than of its ancestor's size: narrower, wider, of fewer or more
    blocks. Asked of `supports` with sizes that are twice or half the ancestor's."""
    base = VitSpec(64, depth=8, num_heads=4, patch_size=4, img_size=16, num_classes=10)
    ancestor, method = None if cls.ancestors == 0 else base, cls()
    return {name: method.supports(ancestor, base.replace(**size)) is None for name, size in OTHER_SIZES.items()}


def facts(name: str) -> list[str]:
    """Its row of the table."""
    cls = methods.method_class(name)
    marks = ["x" if served else "" for served in serves(cls).values()]
    ancestors = [] if cls.ancestors == 0 else ["ancestors" if cls.ancestors == "many" else "ancestor"]
    trains = " + ".join(["once"] * cls.trains + ["each start"] * cls.trains_start)
    return [name, *marks, ", ".join([*ancestors, *cls.uses]), trains, cls.caution.partition(":")[0]]


def markdown() -> str:
    """The table of docs/methods.md."""
    titles = ["method", *OTHER_SIZES, "needs", "trains", "fidelity"]
    rule = ["---", *[":-:"] * len(OTHER_SIZES), "---", "---", "---"]
    return "\n".join(
        f"| {' | '.join(row)} |".replace("  ", " ") for row in [titles, rule, *map(facts, methods.names())]
    )


def show() -> None:
    """Print the methods: a line of facts and one of what each is; of those of packages, which are not imported for it,
    only where they come from."""
    brought = from_packages()
    for name in methods.names():
        _, *marks, needs, trains, fidelity = facts(name)
        sizes = " ".join(size if mark else "  " for size, mark in zip(OTHER_SIZES, marks, strict=True))
        told = [f"needs {needs}" if needs else "needs nothing", f"trains {trains}" if trains else "trains nothing"]
        print(f"{name:<18} {sizes}  {'; '.join(told)}" + (f"; {fidelity.upper()}" if fidelity else ""))
        print(f"{'':<18} {(inspect.getdoc(methods.method_class(name)) or '').splitlines()[0]}")
    for name, entry in brought.items():
        print(f"{name:<18} of the package {entry.package}: {entry.target}")
    print(
        "\nD depth, W width, - smaller and + larger than the ancestor, at its defaults; needs images, labels, a teacher"
    )
    print("bench methods NAME: its options, its sources, and what about it was verified or assumed")


def from_packages() -> dict[str, Packaged]:
    """The methods of installed packages. Raises UsageError where several methods have one name."""
    try:
        return methods.packaged()
    except ValueError as error:
        raise UsageError(str(error)) from None


def class_of(name: str) -> type[Initializer]:
    """The class of a method that a command line names. Raises UsageError where there is none."""
    try:
        return methods.method_class(name)
    except (KeyError, ImportError, TypeError, ValueError) as error:
        raise UsageError(str(error.args[0])) from None
    except (Exception, SystemExit) as error:  # whatever a module from outside does on import
        raise UsageError(f"{name} cannot be imported ({type(error).__name__}: {error})") from None


def _traits(cls: type[Initializer]) -> str:
    trained = ["to make its learngene"] * cls.trains + ["to initialise"] * cls.trains_start
    trains = f"trains {' and '.join(trained)}" if trained else "trains nothing itself"
    return f"ancestors: {ANCESTORS[cls.ancestors]}; {trains}"


def _example(name: str, cls: type[Initializer]) -> str:
    plain = (bool, int, float, str)
    options: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(cls) if isinstance(f.default, plain)}
    first = next(((k, v) for k, v in options.items() if k != "head"), ("head", options.get("head", "fresh")))
    return f"use: {name}, {first[0]}: {str(first[1]).lower() if isinstance(first[1], bool) else first[1]}"
