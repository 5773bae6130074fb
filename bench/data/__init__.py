"""The harness's only door to data. Importing it needs no torch; `load` and `stratified_fraction` do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.data.description import Description, describe
from bench.data.settings import AugmentSettings, DataError, DataMissing, DataSettings
from bench.data.stratify import stratified_fraction

if TYPE_CHECKING:
    from bench.data.dataset import Dataset, Split

__all__ = [
    "AugmentSettings",
    "DataError",
    "DataMissing",
    "DataSettings",
    "Dataset",
    "Description",
    "Split",
    "describe",
    "load",
    "stratified_fraction",
]


def __getattr__(name: str) -> Any:
    """`load`, `Dataset` and `Split` bring torch with them."""
    if name in ("load", "Dataset", "Split"):
        from bench.data import dataset

        return getattr(dataset, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
