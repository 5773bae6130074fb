"""Jobs that are done and whose files `bench clean` has removed: which of them are made again, because a job that is to
do needs them."""

from collections.abc import Callable, Iterable
from typing import Any

from bench.jobs import Job, description_of


def made_again(
    jobs: Iterable[Job], is_done: Callable[[str], bool], result: Callable[[Job], dict[str, Any] | None]
) -> list[Job]:
    """Those of `jobs`, in which what is needed comes first."""
    known = {job.id: job for job in jobs}
    to_do = {id for id in known if not is_done(id)}
    again: list[Job] = []
    for job in reversed(known.values()):
        if job.id not in to_do or to_do.issuperset(job.needs):  # of what it needs, nothing is done
            continue
        for id in description_of(job).files_taken:
            if id in known and id not in to_do and (result(known[id]) or {}).get("cleaned"):
                to_do.add(id)
                again.append(known[id])
    return again
