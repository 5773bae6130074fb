"""`python -m bench`, whose reports draw few pictures (see pictures.py): a file to run, from any working directory."""

import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import pictures  # noqa: E402

pictures.few()
runpy.run_module("bench", run_name="__main__", alter_sys=True)
