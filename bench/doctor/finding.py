"""One thing that was looked at."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """state: ok, or note (worth knowing), or missing (nothing or not everything will run).

    how: what to do about it.
    """

    topic: str
    text: str
    state: Literal["ok", "note", "missing"] = "ok"
    how: str = ""
