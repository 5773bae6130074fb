"""Where commands and workers begin; see start.py.

Installed a second time, beside `bench`, for the console script `learngene-bench`: its name is its own, so that a folder
`bench` on PYTHONPATH does not hide it.
"""

from .start import main  # by no name: it has two

__all__ = ["main"]
