"""How the execution of a job ended, and what asks it to end early."""

import traceback
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from bench.store import JobDir

Ending = Literal["done", "failed", "interrupted", "busy", "damaged"]


@dataclass
class Outcome:
    """How an execution ended. `damaged` names a job (kind, id) whose result has to be made again; `kind` says of a
    failure whether it was an `error`, the process `died`, or `memory` ran out; of a job that is done, `before`: another
    did it."""

    state: Ending
    message: str = ""
    damaged: tuple[str, str] | None = None
    kind: str = ""
    traceback: str = ""

    def to_dict(self) -> dict[str, Any]:
        """What JSON can say."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Self:
        """Read what `to_dict` gave, also after JSON, which has no tuples."""
        return cls(**value | {"damaged": tuple(value["damaged"]) if value["damaged"] else None})


class Stop:
    """Asked by signal handlers to stop; the training loop looks at its session's flag."""

    def __init__(self) -> None:
        self.requested, self.session = False, None

    def __call__(self, *_: Any) -> None:
        self.requested = True
        if self.session is not None:
            self.session.stop = True

    def watch(self, session: Any) -> None:
        """Let a job's session know from now on."""
        self.session, session.stop = session, self.requested


def failure_of(error: Exception) -> Outcome:
    """The failure that the exception being handled is."""
    message = (f"{type(error).__name__}: {error}".splitlines() or [""])[0]
    kind = "memory" if _is_memory(error) else "error"
    return Outcome("failed", message, kind=kind, traceback=traceback.format_exc())


def fail(folder: JobDir, outcome: Outcome) -> Outcome:
    """Write an outcome's failure to the job's log and files."""
    outcome.message = folder.fail(outcome.message, kind=outcome.kind, traceback=outcome.traceback)
    return outcome


def _is_memory(error: Exception) -> bool:
    """Python, torch on a GPU and torch on the CPU say it each in their way."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
