"""Paths of a suite: relative ones start at the folder of its file, those of `--set` at the working directory."""

import os
from pathlib import Path

from bench.suite.problems import KeyPath, Source


def located(text: str, source: Source, at: KeyPath) -> str:
    """The path at the key `at`, absolute. One with variables stays as it is: every machine fills in its own values.

    What `--set` says is made absolute in the suite's data, too, which is read again from another place. Raises
    SuiteError for what is not beside the suite's file, but in the working directory.
    """
    path = Path(text).expanduser()
    if path.is_absolute() or "$" in text:
        return text
    absolute = os.path.abspath(start(source, at) / path)
    if source.is_set(at):
        source.put(at, absolute)
    elif not os.path.exists(absolute) and path.exists():
        line = f"{at[-1]}: {os.path.relpath(path, source.folder)}"
        message = f"{absolute} is not there, but {path.absolute()} is; paths in a suite are relative to its file"
        raise source.error(at, f"{message}; expected {line}")
    return absolute


def start(source: Source, at: KeyPath) -> Path:
    """Where a relative path at the key `at` starts."""
    return Path.cwd() if source.is_set(at) else source.folder.absolute()
