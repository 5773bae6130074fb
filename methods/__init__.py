"""Initializers: ways to give a Vision Transformer of any size its starting weights out of a pretrained model.

A library by itself: it knows nothing of the harness. `get("wave", templates=4)` makes an initializer, `names()` lists
them, and `packaged()` those that installed packages bring. Importing this package, and reading a method's options,
version or docstring, imports neither torch nor timm.
"""

from methods.base import Initializer, Lab, Learngene
from methods.registry import canonical_name, get, method_class, names, packaged

__all__ = ["Initializer", "Lab", "Learngene", "canonical_name", "get", "method_class", "names", "packaged"]
