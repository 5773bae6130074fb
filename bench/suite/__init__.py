"""Suite files: what they may say (`schema`), how one is read (`load`), and what comes of it (`suite`, `entries`).

`yaml_lines` keeps the line of every key; `problems` says with it where in the file a mistake is.
"""

from bench.suite.entries import AncestorEntry, DataEntry, MethodEntry, TargetEntry
from bench.suite.load import load
from bench.suite.suite import Suite

__all__ = ["AncestorEntry", "DataEntry", "MethodEntry", "Suite", "TargetEntry", "load"]
