"""The folder of a job that leaves nothing behind."""

import secrets
import tempfile
import warnings
from pathlib import Path
from typing import Any

from bench.store.job_dir import JobDir


class Nowhere(JobDir):
    """A folder that is never made. Warnings of the job are Python's."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.gettempdir(), f"bench-{secrets.token_hex(16)}"))

    def append_log(self, event: str, **values: Any) -> None:
        if event == "warning":
            warnings.warn(str(values.get("message")), stacklevel=2)
