"""A learngene that is there already: a file that a label names in place of what its method would condense."""

import json
import os
from pathlib import Path

from bench.suite.ancestor_source import content_hash
from bench.suite.paths import located, start
from bench.suite.problems import KeyPath, Source
from methods.base import META_KEY


def learngene_file(text: str, source: Source, at: KeyPath) -> str:
    """The file at a key, absolute. Raises SuiteError where there is none, or it is no learngene."""
    file = Path(os.path.expandvars(located(text, source, at))).expanduser()
    if not file.is_file():
        base = start(source, at)
        raise source.error(at, f"{text!r} is no file; expected a learngene (relative paths start at {base})")
    if trouble := not_a_learngene(file):
        raise source.error(at, trouble)
    return str(file)


def not_a_learngene(file: Path) -> str:
    """Why a file is no learngene, told from its header without torch; empty where it is one."""
    from safetensors import SafetensorError, safe_open  # not above: only these suites need it

    try:
        with safe_open(str(file), framework="np") as opened:
            meta = (opened.metadata() or {}).get(META_KEY)
        return "" if isinstance(json.loads(meta or "null"), dict) else f"{file} holds weights, but is no learngene"
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        return f"{file} cannot be read as a learngene: {error}"


def identity(file: str) -> str:
    """SHA-256 of its content."""
    path = Path(file)
    return content_hash(path, path.stat().st_mtime_ns)
