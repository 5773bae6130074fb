"""What a job is, and the closed lists of words for its kinds and states."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from bench.store.result_shapes import KINDS as KINDS

# The artifacts of jobs: files of weights that others take. A run keeps its own as it is told to.
ANCESTOR_FILE = WEIGHTS_FILE = "weights.safetensors"
LEARNGENE_FILE = "learngene.safetensors"
START_FILE = "start.safetensors"

# What is known of a job: `elsewhere`: another process holds it; `skipped`: what it needs failed.
State = Literal["done", "running", "elsewhere", "pending", "failed", "skipped", "interrupted"]
STATES: tuple[State, ...] = get_args(State)
ELSEWHERE: State = "elsewhere"  # another process holds the job
WAITING: tuple[State, ...] = ("pending", ELSEWHERE)  # not begun here
OPEN: tuple[State, ...] = ("pending", "running", ELSEWHERE)  # what a launcher still has to see to
OVER: tuple[State, ...] = ("done", "failed", "skipped")  # of which nothing more comes; one `interrupted` goes on


@dataclass
class Job:
    """A unit of work as it is planned, sent and written. `settings` make its identity; `local` (paths and the like) do
    not. `bench.jobs.description_of` makes typed attributes of both."""

    kind: str
    id: str
    settings: dict[str, Any]
    needs: tuple[str, ...]  # identities of jobs that must be done before
    local: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        value = json.loads(text)
        return cls(**value | {"needs": tuple(value["needs"])})
