"""`bench methods`: what there is, and what is known of each."""

import argparse
import dataclasses
import inspect
from typing import Any

import methods
from bench.errors import UsageError
from methods import Initializer

ANCESTORS = {0: "none", 1: "one", "many": "all that the suite names"}


def main(options: argparse.Namespace) -> int:
    if options.name is None:
        for name in methods.names():
            print(f"{name:<20}{(inspect.getdoc(methods.method_class(name)) or '').splitlines()[0]}")
        print("\nbench methods NAME: its options, its sources, and what about it was verified or assumed")
        return 0
    try:
        cls = methods.method_class(options.name)
    except (KeyError, ImportError, TypeError, ValueError) as error:
        raise UsageError(str(error.args[0])) from None
    except (Exception, SystemExit) as error:  # whatever a module from outside does on import
        raise UsageError(f"{options.name} cannot be imported ({type(error).__name__}: {error})") from None
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


def _traits(cls: type[Initializer]) -> str:
    trains = "trains to make its learngene" if cls.trains else "trains nothing itself"
    return f"ancestors: {ANCESTORS[cls.ancestors]}; {trains}" + ("; trains to initialise" if cls.trains_start else "")


def _example(name: str, cls: type[Initializer]) -> str:
    plain = (bool, int, float, str)
    options: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(cls) if isinstance(f.default, plain)}
    first = next(((k, v) for k, v in options.items() if k != "head"), ("head", options.get("head", "fresh")))
    return f"use: {name}, {first[0]}: {str(first[1]).lower() if isinstance(first[1], bool) else first[1]}"
