"""`bench methods`: what there is, and what is known of each."""

import argparse
import dataclasses
import inspect

import methods
from bench.errors import UsageError


def main(options: argparse.Namespace) -> int:
    if options.name is None:
        for name in methods.names():
            doc = inspect.getdoc(methods.method_class(name)) or ""
            print(f"{name:<20}{doc.splitlines()[0]}")
        return 0
    try:
        cls = methods.method_class(options.name)
    except (KeyError, ImportError, TypeError) as error:
        raise UsageError(error.args[0]) from None
    print(f"{options.name} (version {cls.version}, ancestors: {cls.ancestors})\n")
    print(inspect.getdoc(cls))
    print("\nOptions:")
    for f in dataclasses.fields(cls):
        default = f.default_factory() if f.default_factory is not dataclasses.MISSING else f.default
        print(f"  {f.name}: {f.type} = {default!r}")
    return 0
