"""A built-in data set is the module of its name, which has its pixels."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from bench.data.settings import DataSettings
from bench.data.survey import File, Survey

if TYPE_CHECKING:
    from bench.data.images import ArrayImages


def survey(settings: DataSettings) -> Survey:
    return _module(settings).survey()


def files(settings: DataSettings, survey: Survey) -> list[File]:
    """None: what a library brings along is not the user's to change."""
    return []


def open_part(settings: DataSettings, survey: Survey, part: str) -> ArrayImages:
    from bench.data.images import ArrayImages

    module = _module(settings)
    pixels, labels = module.arrays()[part]
    return ArrayImages(pixels, labels, white=module.WHITE)


def _module(settings: DataSettings) -> ModuleType:
    return import_module(f"bench.data.sources.builtin.{settings.known}")
